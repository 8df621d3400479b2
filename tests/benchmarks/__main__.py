"""``python -m tests.benchmarks [WORD...]``: measure, print the table, and write it beside this file.

WORD selects the benchmarks whose names hold it. ``--quick`` measures a tenth and writes nothing: a check that
the programs work.
"""

import argparse
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from tests.benchmarks import cluster, runs
from tests.benchmarks.figures import HEAD, Figure, machine

_FOLDER = Path(__file__).parent


def _cluster(quick: bool) -> Iterator[Figure]:
    for run in cluster.main((1, 16) if quick else (1, 4, 16, 64, 256, 1024), say=lambda line: None):
        goal = 1.03 if run.workers <= 256 else None
        yield Figure(
            f"simulated cluster, {run.workers} workers: makespan / ideal", run.ratio, goal, "", vars(run)
        )
        if run.workers == 1024:
            limit = 1000 / run.driver_ms
            yield Figure("the same: units a second that saturate the driver", limit, None, "", vars(run))


BENCHMARKS: Mapping[str, Callable[[bool], Iterable[Figure]]] = {
    "cluster": _cluster,
    "null": lambda quick: runs.null_model(200 if quick else runs.NULL_SAMPLES),
    "sleeping": lambda quick: runs.sleeping_model(6 if quick else runs.SLEEP_SAMPLES),
}


def main() -> None:
    """Measure what was selected."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="*", help="names of benchmarks, or parts of names")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work; nothing is written")
    options = parser.parse_args()
    described, figures = machine(), []
    print(HEAD, flush=True)
    for name, measure in BENCHMARKS.items():
        if not options.words or any(word in name for word in options.words):
            for figure in measure(options.quick):
                figures.append(figure)
                print(figure, flush=True)
    if not options.quick:
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
