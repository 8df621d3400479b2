"""Tables as other programs write them: no row and no value is lost or changed without a note."""

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from t2vbatch.errors import ManifestError
from t2vbatch.job import Columns, Limits
from t2vbatch.manifest import Manifest, ManifestOptions, check_manifest, read_manifest


def write(path: Path, content: str | bytes) -> str:
    """Write a manifest; its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(path)


def prompts(source: str) -> list[str | None]:
    """The prompts of a manifest."""
    return [row.prompt for row in read_manifest(source)]


TEXT = "prompt,note\nein Würfel,x\nKäse\u2028öl,y\n"


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path: Path, encoding: str, end: str) -> None:
    """Every usual encoding and line end gives the same rows; U+2028 is part of a cell."""
    source = write(tmp_path / "m.csv", TEXT.replace("\n", end).encode(encoding))
    assert prompts(source) == ["ein Würfel", "Käse\u2028öl"]
    lines = "a cat\na\u2028dog\u0085\x0b\n".replace("\n", end)
    assert prompts(write(tmp_path / "m.txt", lines.encode(encoding))) == ["a cat", "a\u2028dog\u0085\x0b"]
    rows = "".join(json.dumps({"prompt": text}, ensure_ascii=False) + end for text in ("Würfel", "a\u2028b"))
    assert prompts(write(tmp_path / "m.jsonl", rows.encode(encoding))) == ["Würfel", "a\u2028b"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "cp1251", "shift-jis", "gbk"])
def test_other_encodings_are_refused(tmp_path: Path, encoding: str) -> None:
    """A file in another encoding is one message with the line; its text is never guessed."""
    text = {"cp1251": "где", "shift-jis": "猫", "gbk": "一只猫在跑"}.get(encoding, "étoile")
    for name, content in (("m.csv", f"prompt\na\n{text}\n"), ("m.txt", f"a\nb\n{text}")):
        with pytest.raises(ManifestError, match="on line 3, which is not UTF-8") as caught:
            read_manifest(write(tmp_path / name, content.encode(encoding)))
        assert "save the file as UTF-8" in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["a", '"b', "c", 'd"', "e"], ["a", '"b', "c", 'd"', "e"]),
        (['"Hello" she says', 'he says "no"'], ['"Hello" she says', 'he says "no"']),
        (['"quoted whole"'], ["quoted whole"]),
        (['"say ""hi"""'], ['say "hi"']),
        (['"'], ['"']),
        (['""'], [None]),
        (['5" disk', '6" disk'], ['5" disk', '6" disk']),
        (['"a" and "b"'], ['"a" and "b"']),
        (['"two\nlines"', "one"], ["two\nlines", "one"]),
        (['"a\ttab"', "b"], ["a\ttab", "b"]),
    ],
)
def test_quotes_in_tsv(tmp_path: Path, lines: list[str], expected: list[str | None]) -> None:
    """TSV has no quoting unless a cell is quoted as a whole, so no row swallows the next one."""
    table = "id\tprompt\tx\n" + "".join(f"{n}\t{line}\tz\n" for n, line in enumerate(lines))
    rows = list(
        read_manifest(write(tmp_path / "m.tsv", table), options=ManifestOptions(record_bad_rows=True))
    )
    assert [row.prompt for row in rows] == expected


def test_tsv_of_many_prompts_with_quotes(tmp_path: Path) -> None:
    """1,632 rows, some of which begin with a quote, are 1,632 rows."""
    texts = [f'"{n}" is a number' if n % 7 == 0 else f"prompt {n}" for n in range(1632)]
    assert prompts(write(tmp_path / "m.tsv", "prompt\n" + "\n".join(texts))) == texts


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('1, "a cat",x', "a cat"),
        ('1,\t"a cat",x', "a cat"),
        ('1, "a cat, sitting", "x"', "a cat, sitting"),
        ('1, "two\nlines",x', "two\nlines"),
        ('1," a cat",x', " a cat"),
        ("1, a cat,x", " a cat"),
        ('1,"he said, ""hi"", and left",x', 'he said, "hi", and left'),
        ('1,5" tall,x', '5" tall'),
    ],
)
def test_blanks_before_quotes_in_csv(tmp_path: Path, line: str, expected: str) -> None:
    """A quote after blanks opens a cell; blanks of a text without quotes are kept."""
    assert prompts(write(tmp_path / "m.csv", f"id, prompt,x\n{line}\n2,b,y\n")) == [expected, "b"]


def test_any_text_survives_csv(tmp_path: Path) -> None:
    """What Python's csv module writes comes back unchanged."""
    texts = [' "a"', '", "', ", ", ' "', '"', 'a, "b"', 'x\n, "y"', "\ty", 'end"']
    with (tmp_path / "m.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["prompt", "x"], *([text, "1"] for text in texts)])
    assert prompts(str(tmp_path / "m.csv")) == texts


def test_large_cells(tmp_path: Path) -> None:
    """A cell of 200,000 characters is read; a prompt of that length is refused by its own limit."""
    long = "x" * 200_000
    (row,) = read_manifest(write(tmp_path / "m.csv", f"prompt,note\na,{long}\n"))
    assert row.columns["note"] == long
    source = write(tmp_path / "p.csv", f"prompt\n{long}\n")
    assert "limits.prompt_chars" in check_manifest(source)[0].expected
    assert check_manifest(source, limits=Limits(prompt_chars=300_000)) == ()


@pytest.mark.parametrize(
    "cells",
    [
        [1, "a"],
        ["a", 1],
        [1, True],
        [[1], "a"],
        [{"x": 1}, [1]],
        [[1, "b"], [2]],
        [99999999999999999999, 1],
        [2**63, -1],
        [2**53 + 1, 0.5],
        [{"x": 1}, {"x": "a"}],
    ],
    ids=str,
)
def test_mixed_kinds(tmp_path: Path, cells: list[Any]) -> None:
    """A column with cells of different kinds keeps each value, is shown as text, and gets a note."""
    check_mixed(tmp_path, cells, 0)


def test_mixed_kinds_in_different_batches(tmp_path: Path) -> None:
    """The kind of a column may change after thousands of rows."""
    check_mixed(tmp_path, [1, "a"], 17_000)
    check_mixed(tmp_path, ["a", [1]], 17_000)


def check_mixed(tmp_path: Path, cells: list[Any], rows_between: int) -> None:
    """Two cells of a column with empty ones between them keep their values."""
    rows = [
        {"prompt": "0", "x": cells[0]},
        *({"prompt": "-"},) * rows_between,
        {"prompt": "1", "x": cells[1]},
    ]
    source = write(
        tmp_path / "m.jsonl", "".join(json.dumps({"id": n} | row) + "\n" for n, row in enumerate(rows))
    )
    manifest = read_manifest(source)
    assert [manifest.row(0).columns["x"], manifest.row(len(rows) - 1).columns["x"]] == cells
    shown = manifest.extra_table()["x"].drop_null().to_pylist()
    if "x" in manifest.mixed:
        assert shown == [cell if isinstance(cell, str) else json.dumps(cell) for cell in cells]
        assert "column 'x' has cells of different kinds and is kept as text" in manifest.notes


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_whole_floats(tmp_path: Path, kind: str) -> None:
    """Ids and seeds of a column of floats, as pandas writes one with nulls, are integers."""
    rows = [{"id": 1.0, "prompt": "a", "seed": 7.0}, {"id": 2.0, "prompt": "b", "seed": None}]
    path = tmp_path / f"m.{kind}"
    if kind == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    elif kind == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)))
    else:
        path.write_text("id,prompt,seed\n1.0,a,7.0\n2.0,b,\n")
    first, second = read_manifest(str(path))
    assert (first.row_id, first.seed, second.row_id, second.seed) in {
        ("1", 7, "2", None),
        ("1.0", 7, "2.0", None),  # in CSV an id is text
    }


@pytest.mark.parametrize(
    ("column", "meant"),
    [
        ("Seed", "seed"),
        ("SEED", "seed"),
        (" seed", None),
        ("seeds", "seed"),
        ("Negative Prompt", "negative_prompt"),
        ("negative-prompt", "negative_prompt"),
        ("negativePrompt", "negative_prompt"),
        ("negative_promt", "negative_prompt"),
        ("neg_prompt", "negative_prompt"),
        ("Image", "image"),
        ("images", "image"),
        ("Image Path", "image"),
        ("imge", "image"),
        ("Videos", "video"),
        ("Last Image", "last_image"),
        ("lastimage", "last_image"),
        ("Model", "model"),
        ("ID", "id"),
        ("category", None),
        ("prompt_id", None),
        ("topic", None),
        ("score", None),
        ("source", None),
    ],
)
def test_columns_that_are_nearly_known(tmp_path: Path, column: str, meant: str | None) -> None:
    """A note names the likely column, whatever the case and the blanks of its name."""
    manifest = read_manifest(write(tmp_path / "m.csv", f"prompt,{column}\na,1\n"))
    near = [note for note in manifest.notes if "did you mean" in note]
    assert near == ([f"column {column!r} is an extra column; did you mean {meant!r}?"] if meant else [])


@pytest.mark.parametrize("column", ["Prompt", "PROMPTS", " Text", "Caption", "promt", "Image"])
def test_a_missing_prompt_column_names_the_likely_one(tmp_path: Path, column: str) -> None:
    """A manifest without content is refused, with the column that was probably meant."""
    (problem,) = check_manifest(write(tmp_path / "m.jsonl", json.dumps({column: "a"})))
    assert "did you mean" in problem.expected


def test_hugging_face_metadata(tmp_path: Path) -> None:
    """``file_name`` of metadata.csv is the image or the video of its row."""
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.MP4").write_bytes(b"video")
    manifest = read_manifest(write(tmp_path / "metadata.csv", "file_name,text\na.png,a cat\nb.MP4,a dog\n"))
    assert [{name: media.uri for name, media in row.media.items()} for row in manifest] == [
        {"image": str(tmp_path / "a.png")},
        {"video": str(tmp_path / "b.MP4")},
    ]
    assert list(manifest.columns.names) == []
    assert any("'file_name' is read as" in note for note in manifest.notes)


def test_settings_of_source_data_get_a_note(tmp_path: Path) -> None:
    """img2dataset's width and height are named with the number of rows that they would change."""
    source = write(tmp_path / "m.csv", "caption,width,height\na,341,256\nb,,\nc,341,256\n")
    notes = read_manifest(source).notes
    assert any("'width' sets width for 2 rows" in note and "ignore: [width]" in note for note in notes)
    assert any("'height'" in note for note in notes)
    ignored = read_manifest(source, options=ManifestOptions(Columns(ignore=["width", "height"])))
    assert [row.columns for row in ignored] == [{}, {}, {}]
    assert not any("sets" in note for note in ignored.notes)


def renamed(folder: Path, columns: Columns) -> Manifest:
    """A small manifest with these changes of its columns."""
    rows = [{"Text": "a", "n": 1, "x": "y"}, {"Text": "b", "n": 2}]
    source = write(folder / "m.jsonl", "\n".join(map(json.dumps, rows)))
    return read_manifest(source, options=ManifestOptions(columns))


def test_columns_are_renamed_and_ignored(tmp_path: Path) -> None:
    """``rename`` gives a column another name, and ``ignore`` leaves a column out."""
    manifest = renamed(tmp_path, Columns(rename={"Text": "prompt", "n": "seed"}, ignore=["x"]))
    assert [(row.prompt, row.seed, row.columns) for row in manifest] == [("a", 1, {}), ("b", 2, {})]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (Columns(rename={"Txt": "prompt"}), "columns.rename names 'Txt', which is not a column"),
        (Columns(rename={"Text": "prompt"}, ignore=["y"]), "columns.ignore names 'y', which is not a column"),
        (Columns(rename={"Text": "prompt", "n": "prompt"}), "2 columns of that name"),
    ],
)
def test_wrong_changes_of_columns_are_refused(tmp_path: Path, columns: Columns, said: str) -> None:
    """Names that the manifest does not have, and new names that exist already, are problems."""
    with pytest.raises(ManifestError, match=said):
        renamed(tmp_path, columns)


def test_dictionaries_count_at_their_real_size(tmp_path: Path) -> None:
    """A small Parquet file with a large repeated text is refused by ``limits.decoded_bytes``."""
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 300_000, pa.int32()), pa.array(["x" * 10_000]))
    pq.write_table(pa.table({"prompt": texts}), tmp_path / "m.parquet")
    assert (tmp_path / "m.parquet").stat().st_size < 20_000
    (problem,) = check_manifest(str(tmp_path / "m.parquet"))
    assert "limits.decoded_bytes" in problem.expected
    small = pa.DictionaryArray.from_arrays(
        pa.array([0, 1, None, 0], pa.int32()), pa.array(["x" * 9_000, "y"])
    )
    pq.write_table(pa.table({"prompt": small, "id": [1, 2, 3, 4]}), tmp_path / "m.parquet")
    rows = read_manifest(str(tmp_path / "m.parquet"), options=ManifestOptions(record_bad_rows=True))
    assert [row.prompt for row in rows] == ["x" * 9_000, "y", None, "x" * 9_000]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_times_beyond_python(tmp_path: Path, unit: str) -> None:
    """A time that Python cannot hold is a problem of its row, and the other rows are read."""
    times = pa.array([0, None, 2**53 if unit == "s" else 2**62], pa.int64()).cast(pa.timestamp(unit))
    pq.write_table(pa.table({"prompt": ["a", "b", "c"], "when": times}), tmp_path / "m.parquet")
    manifest = read_manifest(str(tmp_path / "m.parquet"), options=ManifestOptions(record_bad_rows=True))
    assert len(list(manifest)) == 3
    assert set(manifest.bad_rows) <= {2}
