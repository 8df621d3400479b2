"""Lists of other tools become valid manifests."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from t2vbatch.errors import ManifestError, UsageError
from t2vbatch.exchange import import_manifest
from t2vbatch.manifest import read_manifest


def picture(path: Path, colour: str = "red") -> Path:
    """A small image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), colour).save(path)
    return path


def imported(tmp_path: Path, source: Path, form: str, **options: Any) -> list[dict[str, Any]]:
    """The rows of the manifest, which is read by the reader that runs use."""
    target = tmp_path / "made" / "manifest.jsonl"
    count = import_manifest(source, form, target, force=True, **options)
    assert len(read_manifest(str(target))) == count
    return [json.loads(line) for line in target.read_text(encoding="utf-8").split("\n")[:-1]]


def test_a_vbench_prompt_of_two_entries_is_one_row(tmp_path: Path) -> None:
    """VBench lists two prompts in two dimensions each; they are generated once and keep both."""
    entries = [
        {"prompt_en": "a toilet, frozen in time", "dimension": ["temporal_flickering"]},
        {"prompt_en": "The bund Shanghai", "dimension": ["appearance_style"], "auxiliary_info": {"x": 1}},
        {"prompt_en": "The bund Shanghai", "dimension": ["scene", "appearance_style"]},
    ]
    source = tmp_path / "VBench_full_info.json"
    source.write_text(json.dumps(entries))
    rows = imported(tmp_path, source, "vbench")
    assert [row["dimension"] for row in rows] == ["temporal_flickering", "appearance_style, scene"]
    assert rows[1]["auxiliary_info"] == '{"x": 1}'
    assert [row["samples"] for row in rows] == [25, 5]


@pytest.mark.parametrize(("dimension", "samples"), [("Diversity", 20), ("Mechanics", 3), ("color", 5)])
def test_a_vbench_prompt_gets_the_samples_of_its_package(
    tmp_path: Path, dimension: str, samples: int
) -> None:
    """VBench-2.0 takes 3 videos per prompt and 20 for Diversity, VBench 5."""
    source = tmp_path / "full_info.json"
    source.write_text(json.dumps([{"prompt_en": "a dog", "dimension": [dimension]}]))
    (row,) = imported(tmp_path, source, "vbench")
    assert row["samples"] == samples


def test_images_of_a_list_are_copied_beside_the_manifest(tmp_path: Path) -> None:
    """VBench-I2V names images without a folder; the manifest gets copies that it may read."""
    picture(tmp_path / "crop" / "a wave.jpg")
    source = tmp_path / "i2v.json"
    source.write_text(json.dumps([{"prompt_en": "a wave", "dimension": ["x"], "image_name": "a wave.jpg"}]))
    (row,) = imported(tmp_path, source, "vbench", images=tmp_path / "crop")
    assert row["image"] == "manifest/a wave.jpg"
    with pytest.raises(ManifestError, match="no image"):
        imported(tmp_path, source, "vbench", images=tmp_path / "elsewhere")


def test_a_json_list_keeps_its_call_arguments(tmp_path: Path) -> None:
    """FastVideo wraps its list in an object; names of images and captions are read as ours."""
    picture(tmp_path / "images" / "cat.png")
    source = tmp_path / "validation.json"
    entry = {"caption": "a cat", "image_path": "images/cat.png", "video_path": None, "num_frames": 77}
    source.write_text(json.dumps({"data": [entry]}))
    (row,) = imported(tmp_path, source, "json")
    assert row == {"caption": "a cat", "num_frames": 77, "image": "manifest/cat.png"}


def test_text_files_are_numbered(tmp_path: Path) -> None:
    """EvalCrafter's names count lines; of T2V-CompBench each file is a category."""
    (tmp_path / "prompts").mkdir()
    for name in ("motion", "action"):
        (tmp_path / "prompts" / f"{name}.txt").write_text(f"first {name}\n\nsecond {name}\n")
    rows = imported(tmp_path, tmp_path / "prompts", "lines")
    assert [row["id"] for row in rows] == ["action-0000", "action-0001", "motion-0000", "motion-0001"]
    assert [row["category"] for row in rows] == ["action", "action", "motion", "motion"]
    rows = imported(tmp_path, tmp_path / "prompts" / "motion.txt", "lines")
    assert rows[1] == {"id": "0001", "prompt": "second motion"}


def test_a_folder_of_images_with_captions(tmp_path: Path) -> None:
    """Each image is a row, with the text beside it as its prompt."""
    picture(tmp_path / "folder" / "b.png")
    picture(tmp_path / "folder" / "a.jpg").with_suffix(".txt").write_text("a red square\n")
    rows = imported(tmp_path, tmp_path / "folder", "captions")
    assert rows == [
        {"id": "a", "image": "manifest/a.jpg", "prompt": "a red square"},
        {"id": "b", "image": "manifest/b.png"},
    ]


def test_webdataset_shards(tmp_path: Path) -> None:
    """Text, JSON and image of a key make one row; a member's path cannot lead out of the folder."""
    image = picture(tmp_path / "x.png").read_bytes()
    files = {
        "0001.txt": b"a cat",
        "0001.png": image,
        "../../0002.json": b'{"prompt": "a dog"}',
        "../../0002.png": image,
    }
    with tarfile.open(tmp_path / "0.tar", "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    rows = imported(tmp_path, tmp_path / "0.tar", "webdataset")
    assert [row["prompt"] for row in rows] == ["a cat", "a dog"]
    made = tmp_path / "made"
    assert {path.parent for path in tmp_path.rglob("*.png")} == {tmp_path, made / "manifest"}


def tar_of(path: Path, files: list[tuple[str, bytes]]) -> Path:
    """A tar with these members, in this order."""
    with tarfile.open(path, "w") as tar:
        for name, data in files:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_the_image_of_a_shard_is_always_the_same(tmp_path: Path) -> None:
    """0001.jpg beside 0001.seg.png is the image, and the rest is reported."""
    colours = {name: picture(tmp_path / f"{name}.png", name).read_bytes() for name in ("red", "blue")}
    files = [
        ("0001.seg.png", colours["blue"]),
        ("0001.jpg", colours["red"]),
        ("0001.txt", b"a cat"),
        ("._0001.txt", b"\x00\x05"),
        ("0001.cls", b"3"),
    ]
    left: list[str] = []
    for order in (files, files[::-1]):
        left.clear()
        source = tar_of(tmp_path / "s.tar", order)
        (row,) = imported(tmp_path, source, "webdataset", leave=left.append)
        assert row == {"id": "0001", "prompt": "a cat", "image": "manifest/0001.jpg"}
        assert (tmp_path / "made" / "manifest" / "0001.jpg").read_bytes() == colours["red"]
        assert sorted(left) == [
            "s.tar: ._0001.txt: not a file of a sample",
            "s.tar: 0001.cls",
            "s.tar: 0001.seg.png",
        ]


def test_equal_keys_of_different_shards_are_different_rows(tmp_path: Path) -> None:
    """Each row keeps its own text, image and id."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for name in ("red", "blue"):
        image = picture(tmp_path / f"{name}.png", name).read_bytes()
        tar_of(folder / f"{name}.tar", [("0.png", image), ("0.txt", name.encode()), ("0.mp4", name.encode())])
    rows = imported(tmp_path, folder, "webdataset")
    assert [row["id"] for row in rows] == ["0", "0-2"]
    for row in rows:
        assert (tmp_path / "made" / row["image"]).read_bytes() == (
            tmp_path / f"{row['prompt']}.png"
        ).read_bytes()
        assert (tmp_path / "made" / row["video"]).read_bytes() == row["prompt"].encode()


def test_columns_of_a_shard_do_not_clash(tmp_path: Path) -> None:
    """A JSON file cannot set the row's id or name a file; its other columns are kept."""
    found = {
        "id": 7,
        "key": "k",
        "image": "/etc/passwd",
        "caption": "a",
        "text": "b",
        "url": "u",
        "x": float("nan"),
    }
    (row,) = imported(
        tmp_path, tar_of(tmp_path / "s.tar", [("0.json", json.dumps(found).encode())]), "webdataset"
    )
    assert row == {
        "id": "0",
        "prompt": "a",
        "json_id": 7,
        "json_key": "k",
        "json_image": "/etc/passwd",
        "json_text": "b",
        "url": "u",
        "x": None,
    }


def test_equal_names_of_different_folders_keep_their_files(tmp_path: Path) -> None:
    """The red row gets the red picture and the blue row the blue one, also on disks that fold case."""
    names = ["a/x.png", "b/x.png", "b/X.png", "a/x.png"]
    for number, name in enumerate(dict.fromkeys(names)):
        picture(tmp_path / "set" / name, ["red", "blue", "green"][number])
    source = tmp_path / "set" / "list.json"
    source.write_text(json.dumps([{"id": n, "prompt": name, "image": name} for n, name in enumerate(names)]))
    rows = imported(tmp_path, source, "json")
    copies = [(tmp_path / "made" / row["image"]).read_bytes() for row in rows]
    assert copies == [(tmp_path / "set" / name).read_bytes() for name in names]
    assert len({row["image"].casefold() for row in rows}) == 3
    assert rows[0]["image"] == rows[3]["image"]


@pytest.mark.parametrize(
    "name",
    ["/proc/self/environ", "../secret.png", "link.png", "file:///etc/passwd", "a/../../secret.png", "\x00"],
)
@pytest.mark.parametrize("form", ["json", "vbench"])
def test_imports_read_only_their_own_folder(tmp_path: Path, form: str, name: str) -> None:
    """A list cannot bring a file of this machine into the new manifest's folder."""
    picture(tmp_path / "secret.png")
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "link.png").symlink_to(tmp_path / "secret.png")
    source = tmp_path / "set" / "list.json"
    source.write_text(json.dumps([{"prompt_en": "a", "dimension": ["x"], "image_name": name}]))
    with pytest.raises(ManifestError):
        import_manifest(source, form, tmp_path / "out" / "m.jsonl")
    assert list((tmp_path / "out").rglob("*")) == []


def test_urls_of_a_list_stay(tmp_path: Path) -> None:
    """A URL is not fetched by the import; the manifest's own rules decide about it."""
    source = tmp_path / "list.json"
    source.write_text(json.dumps([{"prompt": "a", "image": "https://example.org/a.png"}]))
    (row,) = imported(tmp_path, source, "json")
    assert row["image"] == "https://example.org/a.png"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
def test_imports_read_text_as_manifests_do(tmp_path: Path, encoding: str) -> None:
    """Every encoding that a manifest may have is read, with any line ends."""
    text = "ein Würfel\rzwei\u2028Würfel\r\n"
    source = tmp_path / "list.txt"
    source.write_bytes(text.encode(encoding))
    assert [row["prompt"] for row in imported(tmp_path, source, "lines")] == [
        "ein Würfel",
        "zwei\u2028Würfel",
    ]
    source.write_bytes(json.dumps([{"prompt": "Würfel"}], ensure_ascii=False).encode(encoding))
    assert imported(tmp_path, source, "json") == [{"prompt": "Würfel"}]
    picture(tmp_path / "set" / "a.png").with_suffix(".txt").write_bytes("Würfel".encode(encoding))
    (tmp_path / "set" / "._a.txt").write_bytes(b"\x00\x05\xff")
    (tmp_path / "set" / "._a.png").write_bytes(b"\x00\x05\xff")
    left: list[str] = []
    (row,) = imported(tmp_path, tmp_path / "set", "captions", leave=left.append)
    assert row["prompt"] == "Würfel"
    assert left == ["._a.png: a hidden file", "._a.txt: a hidden file"]


def test_captions_of_images_with_one_stem(tmp_path: Path) -> None:
    """a.jpg and a.png are two rows; files without a partner are reported."""
    for name in ("a.jpg", "a.png"):
        picture(tmp_path / "set" / name)
    (tmp_path / "set" / "a.txt").write_text("a cat")
    (tmp_path / "set" / "b.txt").write_text("a dog")
    (tmp_path / "set" / "notes.md").write_text("x")
    left: list[str] = []
    rows = imported(tmp_path, tmp_path / "set", "captions", leave=left.append)
    assert [(row["id"], row["prompt"]) for row in rows] == [("a", "a cat"), ("a.png", "a cat")]
    assert left == ["notes.md: neither an image nor a .txt file", "b.txt: no image of that name"]


def test_ids_of_captions_are_never_equal(tmp_path: Path) -> None:
    """A file may be called like the id that another one gets."""
    for name in ("a.jpg", "a.png", "a.png.webp"):
        picture(tmp_path / "set" / name)
    rows = imported(tmp_path, tmp_path / "set", "captions")
    assert [row["id"] for row in rows] == ["a", "a.png", "a.png-2"]


def test_captions_are_found_in_every_unicode_form(tmp_path: Path) -> None:
    """A Mac writes names in NFD; a second text of one name is reported."""
    picture(tmp_path / "set" / "caf\u00e9.png")
    (tmp_path / "set" / "cafe\u0301.txt").write_text("a terrace")
    picture(tmp_path / "set" / "b.png")
    (tmp_path / "set" / "b.TXT").write_text("first")
    (tmp_path / "set" / "b.txt").write_text("second")
    left: list[str] = []
    rows = imported(tmp_path, tmp_path / "set", "captions", leave=left.append)
    assert {row["prompt"] for row in rows} == {"first", "a terrace"}
    assert left == ["b.txt: another text of that name is used"]


def test_ids_of_equal_categories_differ(tmp_path: Path) -> None:
    """Two files of one name in two cases are two lists of one category."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "a.TXT").write_text("a cat")
    (tmp_path / "set" / "a.txt").write_text("a dog")
    rows = imported(tmp_path, tmp_path / "set", "lines")
    assert [(row["id"], row["category"]) for row in rows] == [("a-0000", "a"), ("a-2-0000", "a")]


def test_a_key_that_is_like_a_numbered_one_keeps_its_row(tmp_path: Path) -> None:
    """The id that a repeated key gets may be the key of another sample."""
    (tmp_path / "set").mkdir()
    tar_of(tmp_path / "set" / "0.tar", [("a.txt", b"one"), ("a-2.txt", b"two")])
    tar_of(tmp_path / "set" / "1.tar", [("a.txt", b"three")])
    rows = imported(tmp_path, tmp_path / "set", "webdataset")
    assert [(row["id"], row["prompt"]) for row in rows] == [("a", "one"), ("a-2", "two"), ("a-3", "three")]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """An existing target needs --force, and the source is never a target."""
    source = tmp_path / "p.jsonl"
    source.write_text("a cat\n")
    target = tmp_path / "m.jsonl"
    import_manifest(source, "lines", target)
    for force in (False, True):
        with pytest.raises(UsageError, match="source itself"):
            import_manifest(source, "lines", source, force=force)
    with pytest.raises(UsageError, match="--force"):
        import_manifest(source, "lines", target)
    assert import_manifest(source, "lines", target, force=True) == 1
    with pytest.raises(UsageError, match=r"not \.jsonl"):
        import_manifest(source, "lines", tmp_path / "target")
    (tmp_path / "hard.jsonl").hardlink_to(source)
    with pytest.raises(UsageError, match="source itself"):
        import_manifest(source, "lines", tmp_path / "hard.jsonl", force=True)
    assert source.read_text() == "a cat\n"


def test_the_folder_of_the_source_is_never_the_media_folder(tmp_path: Path) -> None:
    """``import captions set set.jsonl`` would copy the images over themselves."""
    picture(tmp_path / "set" / "a.png")
    for force in (False, True):
        with pytest.raises(UsageError, match="the folder of the source"):
            import_manifest(tmp_path / "set", "captions", tmp_path / "set.jsonl", force=force)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="not empty"):
        import_manifest(tmp_path / "set", "captions", tmp_path / "other.jsonl")


@pytest.mark.parametrize(
    ("form", "content"),
    [
        ("vbench", "{}"),
        ("vbench", "[{}]"),
        ("vbench", '[{"prompt_en": 5}]'),
        ("json", "no json"),
        ("json", "[" * 100_000),
        ("json", "[1]"),
        ("json", '{"a": 1}'),
        ("json", '"text"'),
        ("json", '[{"prompt": "\\ud83d"}]'),
        ("json", b"\xff\xfe\x00"),
        ("lines", "\n"),
        ("lines", b"caf\xe9\n"),
        ("captions", "a file"),
        ("webdataset", "not a tar"),
        ("webdataset", b"\x1f\x8bnot a gzip"),
        ("x", ""),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, form: str, content: str | bytes) -> None:
    """A file of another form is one message, and no manifest is written."""
    source = tmp_path / "list"
    source.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(UsageError):
        import_manifest(source, form, tmp_path / "m.jsonl")
    assert [path.name for path in tmp_path.iterdir()] == ["list"]


@pytest.mark.parametrize("form", ["vbench", "json", "lines", "captions", "webdataset"])
def test_an_empty_folder_is_refused(tmp_path: Path, form: str) -> None:
    """A folder without anything of the format is one message."""
    (tmp_path / "set" / "inner").mkdir(parents=True)
    with pytest.raises(UsageError):
        import_manifest(tmp_path / "set", form, tmp_path / "m.jsonl")


def test_rewritten_prompts_keep_the_prompt_of_the_benchmark(tmp_path: Path) -> None:
    """Line n of the file is the prompt of entry n; another number of lines is refused."""
    entries = [{"prompt_en": text, "dimension": ["color"]} for text in ("a dog", "a cat", "a dog")]
    source, texts = tmp_path / "full_info.json", tmp_path / "longer.txt"
    source.write_text(json.dumps(entries))
    texts.write_text("a brown dog\na black cat\na large dog\n")
    rows = imported(tmp_path, source, "vbench", rewritten=texts)
    assert [(row["prompt"], row["prompt_en"]) for row in rows] == [
        ("a brown dog", "a dog"),
        ("a black cat", "a cat"),
    ]
    texts.write_text("one line\n")
    with pytest.raises(UsageError, match=r"longer\.txt\n.*1 prompts\n.*3 entries"):
        imported(tmp_path, source, "vbench", rewritten=texts)
    with pytest.raises(UsageError, match="--rewritten"):
        imported(tmp_path, source, "json", rewritten=texts)
