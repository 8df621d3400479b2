"""Columns with a meaning, the names that other tools give them, and which name wins.  [pure]"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from t2vbatch.errors import nearest
from t2vbatch.job import Columns, Limits
from t2vbatch.manifest.problems import Problems
from t2vbatch.manifest.raw import Batch, Raw

NAMED = (
    "reference_images",
    "background_video",
    "mask_video",
    "driving_video",
    "face_video",
    "memory_images",
    "pose_video",
    "control_video",
    "ip_adapter_image",
    "conditions",
    "reference_conditions",
)
"""Media columns that fill the call parameter of the same name."""

MEDIA = ("image", "last_image", "video", "control", *NAMED)
"""Columns whose cells are media."""

ARRAYS = (".npy", ".safetensors")
"""Suffixes of the files that a cell of any other column may name: the value is the array in the file."""

IMAGES = ("image", "last_image")
"""Media columns that hold one image, which is verified before anything starts."""

CANONICAL = ("id", "prompt", "negative_prompt", *MEDIA, "seed", "model", "samples")
"""Columns with a meaning of their own. Every other column is a call argument or an extra column."""

CONTENT = ("prompt", "image", "video")
"""A row needs a value in at least one of these columns."""

ALIASES = {
    "text": "prompt",
    "caption": "prompt",
    "prompt_en": "prompt",
    "ref": "image",
    "image_path": "image",
    "input_path": "image",
    "image_name": "image",
    "name": "id",
    "output_name": "id",
    "key": "id",
}
"""Known names of other tools, and the columns that they are read as."""

FILE_NAME = "file_name"
"""The column of Hugging Face's metadata.csv: the image or the video of each row, by its extension."""

_LIKELY = {
    "neg_prompt": "negative_prompt",
    "negative": "negative_prompt",
    "img": "image",
    "picture": "image",
    "input_image": "image",
    "first_image": "image",
    "first_frame": "image",
    "start_image": "image",
    "end_image": "last_image",
    "last_frame": "last_image",
    "input_video": "video",
    "source_video": "video",
    "random_seed": "seed",
    "noise_seed": "seed",
    "num_samples": "samples",
    "n_samples": "samples",
}
"""Names that probably mean a column. They only get a note, because other tools use them for other things."""

SETTINGS = ("seed", "samples", "width", "height", "num_frames", "num_inference_steps")
"""Columns that change what is generated, and that other tools write about their source data."""

_INDEX = re.compile(r"(|Unnamed: \d+|__index_level_\d+__)")
_NEAR = 0.82  # above the ratio of 'prompt' and 'prompt_id'


@dataclass(frozen=True)
class Naming:
    """The meaning of each column of a manifest.

    Attributes:
        known: canonical name: its name in the manifest.
        extra: the extra columns, in their order.
        notes: sentences about the decisions.
    """

    known: dict[str, str]
    extra: tuple[str, ...]
    notes: tuple[str, ...] = ()


def arrange(raw: Raw, columns: Columns, problems: Problems) -> Raw:
    """The cells with the job's ``columns`` applied: renamed columns, and no ignored ones."""
    for key, names in (("rename", columns.rename), ("ignore", columns.ignore)):
        for name in names:
            if name not in raw.names:
                found = f"columns.{key} names {name!r}, which is not a column"
                problems.add(None, None, found, f"a column of the manifest; {nearest(name, raw.names)}")
    kept = [name for name in raw.names if name not in columns.ignore]
    if kept == list(raw.names) and not columns.rename:
        return raw
    new = [columns.rename.get(name, name) for name in kept]

    def batch_of(batch: Batch) -> Batch:
        cells = {to: batch.cells[old] for old, to in zip(kept, new, strict=True) if old in batch.cells}
        return Batch(batch.length, cells, batch.unreadable)

    return replace(raw, names=tuple(new), batches=map(batch_of, raw.batches))


def name_columns(names: Sequence[str], problems: Problems, limits: Limits) -> Naming:
    """Decide the meaning of each column. Adds a problem for every ambiguity."""
    if len(names) > limits.columns:
        raise problems.stop(f"{len(names):,} columns", limits.bound("columns"))
    # A column without a name is the index that pandas writes: a position, not content.
    named = [name for name in names if not _INDEX.fullmatch(name)]
    notes = ["a column without a name (an index of pandas) is left out"] if len(named) < len(names) else []
    _refuse_duplicates(named, problems)
    known = {name: name for name in CANONICAL if name in named}
    for name in CANONICAL:
        aliases = [alias for alias in named if ALIASES.get(alias) == name]
        if name in known:
            notes += [
                f"column {alias!r} stays an extra column, because the manifest has a column {name!r} too"
                for alias in aliases
            ]
        elif len(aliases) == 1:
            known[name] = aliases[0]
            notes.append(f"column {aliases[0]!r} is read as {name!r}")
        elif aliases:
            both = " and ".join(repr(alias) for alias in aliases)
            expected = f"one column that means {name!r}; rename the right one to {name!r}"
            problems.add(None, None, f"the columns {both}", expected)
    notes += _read_file_names(known, named)
    _require_content(known, named, problems)
    extra = tuple(name for name in named if name not in known.values())
    return Naming(known, extra, (*notes, *_near(extra, known), *_same_without_case(named)))


def plain_name(name: str) -> str:
    """A name in lower case, with ``_`` for blanks, hyphens and the steps of camel case."""
    stepped = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())
    return re.sub(r"[\s\-_.]+", "_", stepped).strip("_").lower()


def likely(name: str, known: Collection[str]) -> str | None:
    """The known name that ``name`` probably means: without case and blanks, as a plural, or misspelt."""
    plain = plain_name(name)
    for form in (plain, plain.removesuffix("s"), plain.replace("_", "")):
        if form in known:
            return form
    return next(iter(get_close_matches(plain, sorted(known), n=1, cutoff=_NEAR)), None)


def _refuse_duplicates(named: Sequence[str], problems: Problems) -> None:
    for name in sorted({name for name in named if named.count(name) > 1}):
        problems.add(None, name, f"{named.count(name)} columns of that name", "one")


def _read_file_names(known: dict[str, str], named: Sequence[str]) -> list[str]:
    """Read FILE_NAME as image and video, as far as the manifest has no such columns; the notes."""
    if FILE_NAME not in named:
        return []
    free = [name for name in ("image", "video") if name not in known]
    known |= dict.fromkeys(free, FILE_NAME)
    if not free:
        why = "because the manifest has columns 'image' and 'video' too"
        return [f"column {FILE_NAME!r} stays an extra column, {why}"]
    return [f"column {FILE_NAME!r} is read as {' or '.join(map(repr, free))}, by the extension of each name"]


def _same_without_case(named: Sequence[str]) -> Iterator[str]:
    """A sentence for each group of columns whose names differ only by case and blanks at their ends."""
    groups: dict[str, list[str]] = {}
    for name in named:
        groups.setdefault(name.strip().casefold(), []).append(name)
    for names in groups.values():
        if len(names) > 1:
            *first, last = map(repr, names)
            listed = f"{', '.join(first)} and {last}"
            yield f"the columns {listed} differ only by case or blanks; some programs take them for one"


def _near(extra: Sequence[str], known: Mapping[str, str]) -> list[str]:
    """A sentence for each extra column that probably means a column that the manifest does not have."""
    meanings = {name: name for name in CANONICAL} | ALIASES | _LIKELY
    notes = []
    for name in extra:
        meaning = meanings.get(likely(name, meanings) or "")
        if meaning is not None and meaning not in known and name not in ALIASES:
            notes.append(f"column {name!r} is an extra column; did you mean {meaning!r}?")
    return notes


def _require_content(known: dict[str, str], named: Sequence[str], problems: Problems) -> None:
    if any(name in known for name in CONTENT) or len(problems):
        return
    listed = ", ".join(repr(name) for name in named[:20]) or "no columns"
    words = {name: name for name in CONTENT} | ALIASES | _LIKELY
    close = [hint for name in named[:20] if (hint := likely(name, words)) and words[hint] in CONTENT]
    hint = f"; did you mean {close[0]!r}?" if close else ""
    problems.add(None, None, listed, f"a column 'prompt', 'image' or 'video'{hint}")
