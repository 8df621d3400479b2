"""What the columns of a manifest mean: names, cells, ids, and what is wrong with them."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from t2vbatch.canonical import digest
from t2vbatch.errors import Problem
from t2vbatch.manifest import Limits, Manifest, Row, check_manifest, read_manifest

ALIASES = [
    ("text", "prompt"),
    ("caption", "prompt"),
    ("prompt_en", "prompt"),
    ("name", "id"),
    ("output_name", "id"),
    ("key", "id"),
]


def jsonl(folder: Path, *rows: dict[str, Any], name: str = "m.jsonl") -> str:
    """A manifest of these rows."""
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / name)


def read(folder: Path, *rows: dict[str, Any]) -> Manifest:
    """The manifest of these rows."""
    return read_manifest(jsonl(folder, *rows))


def only(folder: Path, **cells: Any) -> Row:
    """The one row with these cells and a prompt."""
    (row,) = read(folder, {"prompt": "a", **cells})
    return row


def problems(folder: Path, *rows: dict[str, Any]) -> list[tuple[int | None, str | None, str]]:
    """Row, column and finding of each problem."""
    return [(item.row, item.column, item.found) for item in check_manifest(jsonl(folder, *rows))]


@pytest.mark.parametrize(("alias", "name"), ALIASES)
def test_aliases(tmp_path: Path, alias: str, name: str) -> None:
    """A known name of another tool is read as the column that it means, and a note says so."""
    manifest = read(tmp_path, {"prompt": "x", alias: "x"} if name == "id" else {alias: "x"})
    assert (manifest.row(0).row_id if name == "id" else manifest.row(0).prompt) == "x"
    assert manifest.notes == (f"column {alias!r} is read as {name!r}",)
    assert list(manifest.columns.names) == []


@pytest.mark.parametrize("alias", ["ref", "image_path", "input_path", "image_name"])
def test_image_aliases(tmp_path: Path, alias: str) -> None:
    """Names of image columns are read as image; problems name the column as the file does."""
    assert problems(tmp_path, {alias: "a.png"}) == [(1, alias, "'a.png', which does not exist")]


def test_canonical_name_wins(tmp_path: Path) -> None:
    """If the manifest has the column itself too, its alias stays an extra column, and a note says so."""
    manifest = read(tmp_path, {"prompt": "a", "text": "b", "caption": "c"})
    assert manifest.row(0).prompt == "a"
    assert manifest.row(0).columns == {"text": "b", "caption": "c"}
    assert manifest.notes == (
        "column 'text' stays an extra column, because the manifest has a column 'prompt' too",
        "column 'caption' stays an extra column, because the manifest has a column 'prompt' too",
    )


def test_two_aliases_are_an_error(tmp_path: Path) -> None:
    """Two aliases of one column are an error."""
    (problem,) = check_manifest(jsonl(tmp_path, {"text": "a", "caption": "b"}))
    assert problem.found == "the columns 'text' and 'caption'"
    assert "'prompt'" in problem.expected


def test_nothing_to_make_from(tmp_path: Path) -> None:
    """Without a prompt, image or video column the message lists the columns and names the nearest one."""
    (problem,) = check_manifest(jsonl(tmp_path, {"promt": "a", "seed": 1}))
    assert problem.found == "'promt', 'seed'"
    assert "did you mean 'prompt'?" in problem.expected


@pytest.mark.parametrize(("seed", "value"), [(0, 0), (3.0, 3), (2**63 - 1, 2**63 - 1), (None, None)])
def test_seeds(tmp_path: Path, seed: Any, value: int | None) -> None:
    """A seed is an integer from 0 to 2**63 - 1, also where it is written as 3.0."""
    assert only(tmp_path, seed=seed).seed == value


@pytest.mark.parametrize("seed", [-1, 2**63, 1.5, "3", "x", True, [1]])
def test_wrong_seeds(tmp_path: Path, seed: Any) -> None:
    """Anything else as a seed is a problem of its row and column."""
    ((row, column, _),) = problems(tmp_path, {"prompt": "a", "seed": 1}, {"prompt": "b", "seed": seed})
    assert (row, column) == (2, "seed")


def test_seeds_of_csv(tmp_path: Path) -> None:
    """In CSV, numbers are recognised in text and words are refused."""
    (tmp_path / "m.csv").write_text("prompt,seed\na,3.0\nb,9007199254740993\nc,x\nd,1e999\n")
    found = check_manifest(str(tmp_path / "m.csv"))
    assert [(item.row, item.found) for item in found] == [(3, "'x'"), (4, "'1e999'")]
    (tmp_path / "m.csv").write_text("prompt,seed\na,3.0\nb,9007199254740993\n")
    assert [row.seed for row in read_manifest(str(tmp_path / "m.csv"))] == [3, 2**53 + 1]


@pytest.mark.parametrize(
    ("written", "models"), [("m", ("m",)), (["m", " n "], ("m", "n")), ("m,n", ("m,n",))]
)
def test_models(tmp_path: Path, written: Any, models: tuple[str, ...]) -> None:
    """A model is a name or a list of names; only CSV, which has no lists, splits at commas."""
    assert only(tmp_path, model=written).models == models


@pytest.mark.parametrize("written", [1, [], ["m", 2], [""], {"m": 1}])
def test_wrong_models(tmp_path: Path, written: Any) -> None:
    """Numbers, empty lists and empty names are not accepted as models."""
    ((row, column, _),) = problems(tmp_path, {"prompt": "a", "model": written})
    assert (row, column) == (1, "model")


@pytest.mark.parametrize(("written", "row_id"), [("a", "a"), (7, "7"), ("ü/ 1", "ü/ 1"), (2**70, str(2**70))])
def test_ids(tmp_path: Path, written: Any, row_id: str) -> None:
    """An id is its text, and an integer is its decimal digits."""
    assert only(tmp_path, id=written).row_id == row_id


@pytest.mark.parametrize(
    "written", ["", " ", "a\nb", "a\x00", "a\u2028b", 1.5, True, ["a"], None, "x" * 1001]
)
def test_wrong_ids(tmp_path: Path, written: Any) -> None:
    """Empty ids, ids with control characters, very long ones and other types are problems."""
    ((row, column, _),) = problems(tmp_path, {"prompt": "a", "id": "x"}, {"prompt": "b", "id": written})
    assert (row, column) == (2, "id")


def test_duplicate_ids(tmp_path: Path) -> None:
    """Each id that stands twice is one problem with its rows; 7 and '7' are one id."""
    rows = [{"prompt": f"p{index}", "id": name} for index, name in enumerate(["a", 7, "a", "b", "7", "a"])]
    assert problems(tmp_path, *rows) == [
        (3, "id", "the id 'a' in rows 1, 3, 6"),
        (5, "id", "the id '7' in rows 2, 5"),
    ]


def test_many_duplicates_are_counted(tmp_path: Path) -> None:
    """Of an id in 100 rows the first ten are listed, and the rest is counted."""
    rows = [{"prompt": f"p{index}", "id": "a"} for index in range(100)]
    ((_, _, found),) = problems(tmp_path, *rows)
    assert found == "the id 'a' in rows 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 90 more"


def test_prompts(tmp_path: Path) -> None:
    """A prompt is kept to the letter; blank, missing, long and foreign ones are problems of their rows."""
    rows: list[dict[str, Any]] = [
        {"prompt": value} for value in (" a ", "x" * 10_000, "x" * 10_001, " \n", None, 5, ["a"])
    ]
    assert problems(tmp_path, *rows) == [
        (3, "prompt", "10,001 characters"),
        (4, None, "no content"),
        (5, None, "no content"),
        (6, "prompt", "the number 5"),
        (7, "prompt", "a list"),
    ]
    assert [len(row.prompt or "") for row in read(tmp_path, *rows[:2])] == [3, 10_000]


def test_negative_prompts(tmp_path: Path) -> None:
    """An empty negative prompt is kept, and its length limit is that of a prompt."""
    assert only(tmp_path, negative_prompt="").negative_prompt == ""
    ((_, column, _),) = problems(tmp_path, {"prompt": "a", "negative_prompt": "x" * 10_001})
    assert column == "negative_prompt"


def test_problems_come_in_the_order_of_rows(tmp_path: Path) -> None:
    """All problems are reported in the order of their rows, whatever their column."""
    rows: list[dict[str, Any]] = [
        {"prompt": "a", "seed": -1, "x": 1},
        {"prompt": 5, "seed": "s", "x": "t"},
        {"seed": "t"},
    ]
    assert [(row, column) for row, column, _ in problems(tmp_path, *rows)] == [
        (1, "seed"),
        (2, "prompt"),
        (2, "seed"),
        (3, "seed"),
    ]


def test_problems_are_capped(tmp_path: Path) -> None:
    """Problems beyond the limit are counted."""
    source = jsonl(tmp_path, *({"prompt": "a", "seed": -1} for _ in range(50)))
    found = check_manifest(source, limits=Limits(problems=10))
    assert len(found) == 11
    assert found[-1] == Problem(source, None, None, "40 more problems", "at most 10 in the list")


def test_derived_id_is_the_digest_of_the_content(tmp_path: Path) -> None:
    """Without an id column the id is made of the row's cells that are not null, and of nothing else."""
    row = {"prompt": "a", "seed": 3, "tags": ["x"], "note": None}
    (made,) = read(tmp_path, row)
    assert made.row_id == digest({"prompt": "a", "seed": 3, "tags": ["x"]})[:16]


def test_derived_ids_do_not_depend_on_other_rows(tmp_path: Path) -> None:
    """Order, other rows, their types and their columns leave a row's id alone."""
    row = {"prompt": "a", "n": 3, "o": {"x": 1}}
    (alone,) = read(tmp_path, row)
    others = [{"prompt": "b", "n": 3.5, "o": {"y": 2}, "more": True}, {"prompt": "c", "seed": 1}]
    among = {made.prompt: made.row_id for made in read(tmp_path, *others, row)}
    assert among["a"] == alone.row_id
    assert len(set(among.values())) == 3


def test_derived_ids_do_not_depend_on_the_format(tmp_path: Path) -> None:
    """The same rows have the same ids as JSON Lines, CSV and Parquet, also where an alias names a column."""
    rows = [{"prompt": "a", "seed": 3, "n": 3, "on": True}, {"prompt": "b", "seed": 4, "n": 2.5}]
    expected = [row.row_id for row in read(tmp_path, *rows)]
    (tmp_path / "m.csv").write_text("on,text,seed,n\nTrue,a,3.0,3\n,b,4,2.5\n")
    pq.write_table(
        pa.Table.from_pylist(
            rows,
            pa.schema(
                [("n", pa.float64()), ("prompt", pa.string()), ("seed", pa.int32()), ("on", pa.bool_())]
            ),
        ),
        tmp_path / "m.parquet",
    )
    for name in ("m.csv", "m.parquet"):
        assert [row.row_id for row in read_manifest(str(tmp_path / name))] == expected


def test_derived_ids_of_any_value(tmp_path: Path) -> None:
    """Dates, infinities, bytes, nested values and columns called '$id' make ids that differ with them."""
    base = {"prompt": "a", "$id": "x", "t": None, "f": None, "b": None, "m": None}
    cells = [
        {},
        {"$id": "y"},
        {"t": pa.scalar(0, pa.timestamp("us", "UTC")).as_py()},
        {"f": float("nan")},
        {"f": float("inf")},
        {"b": b"\x00"},
        {"m": {"$sha256": 1}},
        {"m": {"$sha256": 2}},
    ]
    rows = [base | cell for cell in cells]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    assert len({row.row_id for row in read_manifest(str(tmp_path / "m.parquet"))}) == len(rows)


def test_equal_rows_are_made_once(tmp_path: Path) -> None:
    """Equal rows without ids become one row, in the place of the first, and a note has their number."""
    rows = [{"prompt": prompt} for prompt in ("b", "a", "b", "c", "a", "b")]
    manifest = read(tmp_path, *rows)
    assert [row.prompt for row in manifest] == ["b", "a", "c"]
    assert manifest.notes == (
        "3 rows repeat earlier rows and are left out; an id column would keep repeated rows",
    )


def test_equal_rows_with_ids_stay(tmp_path: Path) -> None:
    """Ids keep rows apart that are equal otherwise."""
    assert len(read(tmp_path, {"prompt": "a", "id": 1}, {"prompt": "a", "id": 2})) == 2


def test_extra_table_goes_with_the_rows(tmp_path: Path) -> None:
    """The other columns are an Arrow table in the order of the rows, with names and types as they stand."""
    manifest = read(
        tmp_path, {"prompt": "a", "n": 1, "video_id": "v"}, {"prompt": "b", "n": None, "row_id": 5}
    )
    extra = manifest.extra_table()
    assert extra.to_pydict() == {"n": [1, None], "video_id": ["v", None], "row_id": [None, 5]}
    assert extra.schema == manifest.columns
    assert manifest.columns.field("n").type == pa.int64()
    assert manifest.row_ids().to_pylist() == [row.row_id for row in manifest]


def test_a_million_rows_stay_an_arrow_table(tmp_path: Path) -> None:
    """200,000 rows need little more memory than their text, and any row can be read by its index."""
    (tmp_path / "m.txt").write_text(
        "".join(f"a prompt with the number {index:06}\n" for index in range(200_000))
    )
    manifest = read_manifest(str(tmp_path / "m.txt"))
    assert manifest.table.nbytes < 200_000 * (31 + 16 + 2 * 8 + 2)
    assert manifest.row(123_456).prompt == "a prompt with the number 123456"


@pytest.mark.parametrize("samples", [0, -1, 1.5, "3", True, [1], 10_000_001])
def test_wrong_numbers_of_samples(tmp_path: Path, samples: Any) -> None:
    """A number of samples is an integer from 1 to the limit; anything else is a problem of its row."""
    ((row, column, _),) = problems(
        tmp_path, {"prompt": "a", "samples": 5.0}, {"prompt": "b", "samples": samples}
    )
    assert (row, column) == (2, "samples")


def test_all_samples_of_a_manifest_are_limited(tmp_path: Path) -> None:
    """A small file cannot ask for more samples than the limit, all rows together."""
    source = jsonl(tmp_path, {"prompt": "a", "samples": 6}, {"prompt": "b", "samples": 5})
    (problem,) = check_manifest(source, limits=Limits(samples=10))
    assert (problem.column, problem.found) == ("samples", "11 samples in all rows")
    assert "limits.samples" in problem.expected
    assert check_manifest(source, limits=Limits(samples=11)) == ()


def test_samples_are_not_in_the_derived_id(tmp_path: Path) -> None:
    """Another number of samples is the same row; equal rows with two numbers need ids."""
    (plain,) = read(tmp_path, {"prompt": "a"})
    (more,) = read(tmp_path, {"prompt": "a", "samples": 25})
    assert (more.row_id, more.samples, plain.samples) == (plain.row_id, 25, None)
    twice = [{"prompt": "a", "samples": 5}, {"prompt": "b", "samples": 5}, {"prompt": "a", "samples": 25}]
    ((row, column, found),) = problems(tmp_path, *twice)
    assert (row, column) == (3, "samples")
    assert "1 and 3" in found
    assert len(read(tmp_path, *({"id": number} | row for number, row in enumerate(twice)))) == 3
    assert len(read(tmp_path, *twice[:2], twice[0])) == 2


def test_samples_of_csv(tmp_path: Path) -> None:
    """Text cells are numbers of samples too, and an empty cell means the job's number."""
    (tmp_path / "m.csv").write_text("prompt,samples\na,25\nb,\nc,5.0\n")
    assert [row.samples for row in read_manifest(str(tmp_path / "m.csv"))] == [25, None, 5]
