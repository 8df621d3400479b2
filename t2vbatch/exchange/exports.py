"""Export of videos in the layouts that other tools read.

All checks run before the first file is written: a benchmark with missing videos at most warns, and its mean
over the rest looks like a result.
"""

import base64
import io
import json
import math
import tarfile
import tempfile
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date, time
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.errors import EncodeError, UsageError, counted, nearest
from t2vbatch.exchange.benchmarks import RULES, VideoRules, check_videos
from t2vbatch.exchange.row_ids import RowIds
from t2vbatch.media.video import play_file, play_name
from t2vbatch.output.tables import make_metadata
from t2vbatch.storage.files import Folder
from t2vbatch.storage.writable import check_writable

Row = dict[str, Any]
_READERS = 16
"""Parallel requests: an object store answers in tens of milliseconds."""

SHARD = 1000
"""Videos per tar file of the webdataset layout."""


def export(
    folder: Folder,
    plan: pa.Table,
    results: pa.Table,
    layout: str,
    target: Path,
    model: str | None = None,
    partial: bool = False,
) -> int:
    """Write the videos of one model, or with ``hf`` and ``webdataset`` of all models, into a new folder.

    Folders of frames become mp4 files, because none of these tools reads a folder.

    Args:
        plan, results: as in plan.parquet and results.parquet; only samples with status ok are exported.
        target: an empty or a new folder.
        partial: export even if samples are missing or two videos are equal.

    Returns:
        The number of exported videos.

    Raises:
        UsageError: samples or files are missing, two videos would get one name, or the target is not empty.
    """
    if layout not in LAYOUTS:
        raise UsageError(f"--layout {layout}", "an unknown layout", nearest(layout, LAYOUTS))
    check_new_folder(target)
    chosen = _model(plan, layout, model)
    plan, results = (table.filter(pc.is_in(table["model"], pa.array(chosen))) for table in (plan, results))
    results = results.filter(pc.equal(results["status"], "ok"))
    if not partial:
        _complete(plan, results)
        if layout in RULES:
            check_videos(results, plan, RULES[layout])
        _different(results)
    _existing(folder, results)
    target.mkdir(parents=True, exist_ok=True)
    return LAYOUTS[layout](folder, results, target)


def check_new_folder(target: Path) -> None:
    """Raise UsageError unless the target is empty or new, and can be written."""
    if target.exists() and not target.is_dir():
        raise UsageError(str(target), "a file", "an empty or a new folder", "choose another name")
    if target.exists() and any(target.iterdir()):
        raise UsageError(
            str(target), "a folder that is not empty", "an empty or a new folder", "choose another folder"
        )
    check_writable(str(target), target)


def _benchmark(rules: VideoRules) -> Callable[[Folder, pa.Table, Path], int]:
    """A folder that contains only videos, named by prompt and index in NFC."""

    def write(folder: Folder, results: pa.Table, target: Path) -> int:
        return _copied(folder, results.to_pylist(), target, rules.stem)

    return write


def evalcrafter(folder: Folder, results: pa.Table, target: Path) -> int:
    """``{row_id}.mp4``, the first video of each row: rows were imported with the benchmark's own numbers."""
    firsts = results.filter(pc.equal(results["sample_index"], 0))
    return _copied(folder, firsts.to_pylist(), target, lambda row: str(row["row_id"]))


def hugging_face(folder: Folder, results: pa.Table, target: Path) -> int:
    """``metadata.parquet`` and the videos, as ``datasets.load_dataset(folder)`` reads them."""
    for row in results.select(["video", "fps"]).to_pylist():
        _copy(folder, row, target / play_name(row["video"]))
    pq.write_table(_metadata(results), target / "metadata.parquet")
    return int(results.num_rows)


def webdataset(folder: Folder, results: pa.Table, target: Path) -> int:
    """Tar files of SHARD videos, each SAMPLE_ID.mp4 with SAMPLE_ID.json; the same bytes every time.

    Equal samples of two models have one id, so the second gets a number.
    """
    keys = RowIds()
    for number, start in enumerate(range(0, results.num_rows, SHARD)):
        shard = results.slice(start, SHARD)
        rows = shard.select(["sample_id", "video", "fps"]).to_pylist()
        with tarfile.open(target / f"{number:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for row, facts in zip(rows, _metadata(shard).to_pylist(), strict=True):
                key = keys.free(row["sample_id"])
                _add(tar, f"{key}.json", as_json(facts))
                _add(tar, key + _ending(row), _bytes(folder, row))
    return int(results.num_rows)


def as_json(facts: Row) -> bytes:
    """The facts as JSON: null for NaN and infinity, base64 for bytes, ISO 8601 for times."""
    return json.dumps(_plain(facts), ensure_ascii=False, allow_nan=False).encode()


def _plain(value: Any) -> Any:
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case dict():
            return {str(name): _plain(item) for name, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case date() | time():
            return value.isoformat()
        case _:
            return str(value)


LAYOUTS: Mapping[str, Callable[[Folder, pa.Table, Path], int]] = {
    **{name: _benchmark(rules) for name, rules in RULES.items()},
    "evalcrafter": evalcrafter,
    "hf": hugging_face,
    "webdataset": webdataset,
}
"""The layouts, by name."""

_ONE_MODEL = {*RULES, "evalcrafter"}


def _model(plan: pa.Table, layout: str, model: str | None) -> list[str]:
    models = list(dict.fromkeys(plan["model"].to_pylist()))
    if model is None and (layout not in _ONE_MODEL or len(models) == 1):
        return models
    if model is None or model not in models:
        raise UsageError("--model", model or "nothing", f"one of {', '.join(models)}")
    return [model]


def _complete(plan: pa.Table, results: pa.Table) -> None:
    """Every planned sample must be ok."""
    there = pc.is_in(plan["sample_id"], results["sample_id"].combine_chunks())
    missing = plan.filter(pc.invert(there))["video"].to_pylist()
    if missing or not plan.num_rows:
        raise UsageError(
            "the export",
            f"{len(missing)} of {plan.num_rows} videos missing or not ok: {_some(missing)}",
            "every planned video",
            "run the job to completion, or export with --partial",
        )


def _existing(folder: Folder, results: pa.Table) -> None:
    """The file of every ok sample must exist, so that no export stops halfway."""
    with ThreadPoolExecutor(_READERS) as pool:
        names = results["video"].to_pylist()
        lost = [
            name
            for name, there in zip(names, pool.map(lambda name: _there(folder, name), names), strict=True)
            if not there
        ]
    if lost:
        raise UsageError(
            "the export",
            f"{counted(len(lost), 'missing file')} of ok videos: {_some(lost)}",
            "every file",
            "t2vbatch verify lists the problems; run the job again to generate the videos",
        )


def _there(folder: Folder, name: str) -> bool:
    """Whether a video file, or a folder of frames, exists."""
    return folder.size(name) is not None or next(iter(folder.names(name)), None) is not None


def _different(results: pa.Table) -> None:
    """No two videos are equal."""
    same: dict[str, list[str]] = defaultdict(list)
    for row in results.select(["video_sha256", "video"]).to_pylist():
        same[row["video_sha256"]].append(row["video"])
    copies = [" = ".join(videos) for videos in same.values() if len(videos) > 1]
    if copies:
        raise UsageError(
            "the export",
            f"{counted(len(copies), 'group')} of equal videos: {_some(copies)}",
            "a different video for every seed",
            "look at the videos; --partial exports them anyway",
        )


def _copied(folder: Folder, rows: list[Row], target: Path, name: Callable[[Row], str]) -> int:
    files = [unicodedata.normalize("NFC", name(row)) + _ending(row) for row in rows]
    _nameable(files, _folds_case(target))
    for file, row in zip(files, rows, strict=True):
        _copy(folder, row, target / file)
    return len(rows)


def _folds_case(folder: Path) -> bool:
    """Whether the disk takes names that differ only in case for one name."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="case") as file:
        return Path(file.name).with_name(Path(file.name).name.upper()).exists()


def _nameable(names: list[str], folds_case: bool) -> None:
    """Every name can be the name of a file, and no two are one file."""
    found = Counter(names)
    wrong = [f"{name!r} occurs twice" for name, count in found.items() if count > 1]
    wrong += [f"{name[:40]!r}... contains the character NUL" for name in found if "\0" in name]
    if folds_case:
        folded = Counter(name.casefold() for name in found)
        same = [name for name in found if folded[name.casefold()] > 1]
        wrong += [f"{name!r} equals another name on this disk, which ignores case" for name in same]
    wrong += [f"{name!r} contains a slash" for name in found if "/" in name]
    wrong += [f"{name[:40]!r}... is longer than 255 bytes" for name in found if len(name.encode()) > 255]
    if wrong:
        raise UsageError("the export", _some(wrong), "prompts that give different file names")


def _metadata(results: pa.Table) -> pa.Table:
    """The facts of the videos, under the names of the exported files."""
    metadata = make_metadata(results)
    names = pa.array([play_name(name) for name in metadata["file_name"].to_pylist()], pa.string())
    return metadata.set_column(metadata.column_names.index("file_name"), "file_name", names)


def _copy(folder: Folder, row: Row, target: Path) -> None:
    try:
        with folder.local(row["video"]) as path:
            play_file(path, row["fps"], target)
    except EncodeError as error:
        raise EncodeError(f"{row['video']}: {error}") from error


def _bytes(folder: Folder, row: Row) -> bytes:
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / f"video{_ending(row)}"
        _copy(folder, row, file)
        return file.read_bytes()


def _ending(row: Row) -> str:
    return PurePosixPath(play_name(row["video"])).suffix


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    tar.addfile(member, io.BytesIO(data))


def _some(lines: list[str]) -> str:
    shown = "; ".join(lines[:5])
    return shown if len(lines) <= 5 else f"{shown}; and {len(lines) - 5} more"
