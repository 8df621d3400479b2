"""VBench's leaderboard scores of a run, beside published rows."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.compute as pc

from t2vbatch.analysis.vbench_totals import BenchmarkScore, totals
from t2vbatch.commands.compare import read_results
from t2vbatch.errors import UsageError


@dataclass(frozen=True)
class VBenchScores:
    """What VBench's scores say of a run.

    Attributes:
        benchmarks: benchmark: model: lines.
        published: published rows by name.
        left_out: model: number of samples without an ok video, if there are any. VBench has no score of them.
    """

    benchmarks: Mapping[str, Mapping[str, tuple[BenchmarkScore, ...]]]
    published: Mapping[str, Mapping[str, float]]
    left_out: Mapping[str, int]


def vbench_scores(output: str, published: Path | None) -> VBenchScores:
    """The scores of every model of an output.

    Args:
        published: a JSON file ``{name: {dimension, group or "total": value}}``; values from 0 to 1, or
            text with a percent sign.

    Raises:
        UsageError: no VBench scores were imported, or the file has another form.
    """
    ((_, results),) = read_results([output]).items()
    found: dict[str, dict[str, tuple[BenchmarkScore, ...]]] = {}
    for model in dict.fromkeys(results["model"].to_pylist()):
        for benchmark, lines in totals(results, model).items():
            found.setdefault(benchmark, {})[model] = lines
    if not found:
        raise UsageError(
            output,
            "no columns vbench_DIMENSION",
            "scores of VBench",
            "import them: t2vbatch import-scores OUTPUT FILE",
        )
    bad = Counter(results.filter(pc.not_equal(results["status"], "ok"))["model"].to_pylist())
    return VBenchScores(found, {} if published is None else _published(published), dict(bad))


def _published(source: Path) -> dict[str, dict[str, float]]:
    try:
        content = json.loads(source.read_text(encoding="utf-8"))
        return {
            str(name): {str(key): _value(value) for key, value in row.items()}
            for name, row in content.items()
        }
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise UsageError(
            str(source),
            f"not a file of published rows ({error})",
            '{"name": {"total": 0.8026, "color": "91.2%"}}',
        ) from None


def _value(value: object) -> float:
    text = str(value).strip()
    found = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= found <= 1:
        raise ValueError(f"{text}, which is neither from 0 to 1 nor a text with %")
    return found
