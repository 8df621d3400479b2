"""What VBench's packages expect of a folder of videos: videos per prompt, file names, lengths.

Sources, in the repository Vchitect/VBench: ``vbench/__init__.py`` (5 videos, 25 for temporal_flickering),
``VBench-2.0/vbench2/__init__.py`` (3, 20 for Diversity, names from the first 180 characters of a prompt),
``vbench2_beta_i2v`` (5) and ``vbench2_beta_long`` (as VBench, for videos of 5 seconds and more).
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from t2vbatch.errors import UsageError


@dataclass(frozen=True)
class VideoRules:
    """The rules of one package.

    Attributes:
        videos: videos per prompt.
        many: dimension: videos per prompt of this dimension.
        many_first: ``many`` applies only to the first dimension of a prompt.
        name_chars: characters of the prompt in a file name; None for the whole prompt.
        least_s: shortest allowed video in seconds.
    """

    videos: int
    many: Mapping[str, int]
    many_first: bool = False
    name_chars: int | None = None
    least_s: float = 0.0

    def stem(self, row: Mapping[str, Any]) -> str:
        """The file name of a video without its extension: by the benchmark's prompt, which is in the column
        ``prompt_en`` if ``prompt`` is a rewritten one.
        """
        prompt = row.get("prompt_en") or row["prompt"]
        return f"{prompt[: self.name_chars]}-{row['sample_index']}"

    def wanted(self, dimensions: str | None) -> set[int]:
        """The allowed numbers of videos of a prompt, by its cell ``dimension`` (None: no such column)."""
        if dimensions is None:
            return {self.videos, *self.many.values()}
        names = dimensions.split(", ")
        found = {self.many[name] for name in (names[:1] if self.many_first else names) if name in self.many}
        return found or {self.videos}


RULES: Mapping[str, VideoRules] = {
    "vbench": VideoRules(5, {"temporal_flickering": 25}),
    "vbench2": VideoRules(3, {"Diversity": 20}, many_first=True, name_chars=180),
    "vbench-i2v": VideoRules(5, {}),
    "vbench-long": VideoRules(5, {"temporal_flickering": 25}, least_s=5.0),
}
"""The layouts of VBench's packages, by name."""


def rules_of(dimensions: str, has_image: bool) -> VideoRules:
    """The rules of the package that a prompt belongs to.

    Args:
        dimensions: its cell ``dimension``. Only VBench-2.0 writes dimensions with a capital letter.
        has_image: only VBench-I2V has images.
    """
    if has_image:
        return RULES["vbench-i2v"]
    return RULES["vbench2" if dimensions[:1].isupper() else "vbench"]


def check_videos(results: pa.Table, plan: pa.Table, rules: VideoRules) -> None:
    """Check the number of videos per prompt, and their length.

    Args:
        results: the results of the planned samples, with the manifest's column ``dimension`` if it has one.

    Raises:
        UsageError: with an example of a prompt that breaks the rule.
    """
    has_dimension = "dimension" in results.column_names
    dimensions = dict(zip(*_columns(results, "row_id", "dimension"), strict=True)) if has_dimension else {}
    wrong: dict[tuple[int, str], list[str]] = defaultdict(list)
    for row, count in Counter(plan["row_id"].to_pylist()).items():
        wanted = rules.wanted(dimensions.get(row))
        if count not in wanted:
            wrong[count, " or ".join(map(str, sorted(wanted)))].append(row)
    for (count, expected), rows in wrong.items():
        raise UsageError(
            "the export",
            f"{count} videos per prompt for {len(rows)} prompts, such as row {rows[0]}",
            expected,
            f"set samples: {expected} in the job or in the manifest's column samples, or use --partial",
        )
    short = [
        name
        for name, seconds in zip(*_columns(results, "video", "duration_s"), strict=True)
        if (seconds or 0) < rules.least_s
    ]
    if short:
        found = f"{len(short)} videos shorter than {rules.least_s:g} s, such as {short[0]}"
        raise UsageError("the export", found, "longer videos", "use the layout vbench")


def _columns(table: pa.Table, *names: str) -> list[list[Any]]:
    return [table[name].to_pylist() for name in names]
