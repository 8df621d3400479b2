"""``python -m tests.benchmarks [WORD...]``: measure, print the table, and write it beside this file.

WORD selects the benchmarks whose names contain it. ``--quick`` measures a tenth, as a check of the programs.
Only a complete run writes its figures.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import alternatives, cluster, runs
from tests.benchmarks.figures import HEAD, Figure, machine

_FOLDER = Path(__file__).parent
_REPEATS = 3


@dataclass(frozen=True)
class _Size:
    """How much is measured.

    Attributes:
        quick: a tenth of the work.
        repeats: runs of each way where ways are compared.
    """

    quick: bool
    repeats: int

    def of(self, complete: int) -> int:
        """This many, or a tenth of it."""
        return complete // 10 if self.quick else complete


def _cluster(size: _Size) -> Iterator[Figure]:
    for run in cluster.main((1, 16) if size.quick else (1, 4, 16, 64, 256, 1024), say=lambda line: None):
        goal = 1.03 if run.workers <= 256 else None
        yield Figure(
            f"simulated cluster, {run.workers} workers: makespan / ideal", run.ratio, goal, "", vars(run)
        )
        if run.workers == 1024:
            limit = 1000 / run.driver_ms
            yield Figure("the same: units a second that saturate the driver", limit, None, "", vars(run))


BENCHMARKS: Mapping[str, Callable[[_Size], Iterable[Figure]]] = {
    "cluster": _cluster,
    "null": lambda size: runs.null_model(size.of(runs.NULL_SAMPLES)),
    "memory": lambda size: runs.driver_memory(size.of(runs.MEMORY_SAMPLES)),
    "sleeping": lambda size: runs.sleeping_model(size.of(runs.SLEEP_SAMPLES)),
    "many": lambda size: alternatives.many(size.repeats, size.of(alternatives.VIDEOS)),
    "few": lambda size: alternatives.few(size.repeats, size.of(alternatives.FEW_VIDEOS)),
    "first": lambda size: alternatives.first_video(size.repeats),
}


def main() -> None:
    """Measure what was selected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="names of benchmarks, or parts of names")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--repeats", type=int, help=f"runs of each compared way; default {_REPEATS}, quick 1")
    options = parser.parse_args()
    size = _Size(options.quick, options.repeats or (1 if options.quick else _REPEATS))
    described, figures = machine(), []
    print(HEAD, flush=True)
    for name, measure in BENCHMARKS.items():
        if not options.words or any(word in name for word in options.words):
            for figure in measure(size):
                figures.append(figure)
                print(figure, flush=True)
    if not options.quick and not options.words:
        _write(described, figures)


def _write(described: Mapping[str, object], figures: list[Figure]) -> None:
    """Replace the table, and the figures with their details, that were written before."""
    found = {"machine": described, "figures": [vars(figure) for figure in figures]}
    (_FOLDER / "figures.json").write_text(json.dumps(found, indent=1, default=vars) + "\n", encoding="utf-8")
    lines = [f"{key}: {value}" for key, value in described.items()]
    table = "\n".join([HEAD, *map(str, figures)])
    (_FOLDER / "FIGURES.md").write_text(
        "# Figures\n\n`make bench` writes this file.\n\n"
        + table
        + "\n\n"
        + "\n".join(f"- {line}" for line in lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
