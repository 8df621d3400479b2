"""``python -m tests.faults [WORD...]``: tries every fault, or those whose names contain a word; prints a
table."""

import os
import sys
import tempfile
from pathlib import Path

from tests.faults.case import Trial, run_trial
from tests.faults.table import FAULTS

_HEAD = f"{'fault':46} {'tried':>5} {'lost':>5} {'repeated':>8} {'bytes equal':>11} {'seconds':>8}"


def main(words: list[str]) -> int:
    """Try the faults and print a line for each; returns how many violated an invariant."""
    print(_HEAD, flush=True)
    failures = 0
    for fault in FAULTS:
        if words and not any(word in fault.name for word in words):
            continue
        if fault.root and os.geteuid() != 0:
            print(f"{fault.name:46} needs root", flush=True)
            continue
        trials = []
        for number in range(fault.times):
            with tempfile.TemporaryDirectory() as folder:
                trials.append(run_trial(fault, number, Path(folder)))
        print(_line(fault.name, trials), flush=True)
        broken = [violation for trial in trials for violation in trial.broken]
        for violation in broken:
            print(f"    {violation}", flush=True)
        failures += bool(broken)
    return failures


def _line(name: str, trials: list[Trial]) -> str:
    lost, repeated = sum(trial.lost for trial in trials), sum(trial.repeated for trial in trials)
    equal = "yes" if all(trial.equal for trial in trials) else "NO"
    seconds = sum(trial.seconds for trial in trials)
    return f"{name:46} {len(trials):5} {lost:5} {repeated:8} {equal:>11} {seconds:8.1f}"


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
