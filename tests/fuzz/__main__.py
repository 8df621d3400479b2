"""``python -m tests.fuzz [TARGET...] [--seconds N] [--found FOLDER]``: fuzzes the targets one after another.

With atheris the inputs are guided by the coverage of t2vbatch; without it they are random edits of the seeds.
Each new kind of fault is printed once, and its input saved; the exit code is 1 if there was one.
"""

import argparse
import hashlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any


class Faults:
    """The faults found so far, each by the line that raised."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        self.known: set[str] = set()
        self.inputs = 0

    def trying(self, target: Callable[[bytes], None]) -> Callable[[bytes], None]:
        """The target, whose faults are saved and do not end the fuzzer."""

        def tried(data: bytes) -> None:
            self.inputs += 1
            try:
                target(data)
            except Exception as error:
                self._save(data, error)

        return tried

    def _save(self, data: bytes, error: Exception) -> None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if "t2vbatch" in frame.filename] or frames
        place = f"{type(error).__name__} at {Path(own[-1].filename).name}:{own[-1].lineno}"
        if place in self.known:
            return
        self.known.add(place)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
        print(f"{place}: {str(error)[:300]}", flush=True)


def main() -> int:
    """Fuzz each target in a process of its own: a decoder may end the process."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", help="names of targets; default: all")
    parser.add_argument("--seconds", type=float, default=600.0, help="for each target (default: 600)")
    parser.add_argument("--found", type=Path, default=Path("fuzz-found"), help="where inputs are saved")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.here:
        return _fuzz(given.targets[0], given.seconds, given.found)
    from tests.fuzz.targets import TARGETS

    code = 0
    for name in given.targets or TARGETS:
        own = ["--here", "--seconds", str(given.seconds), "--found", str(given.found)]
        ended = subprocess.run([sys.executable, "-m", "tests.fuzz", name, *own]).returncode
        if ended not in (0, 1):
            print(f"{name}: the process ended with code {ended}", flush=True)
        code |= int(ended != 0)
    return code


def _fuzz(name: str, seconds: float, found: Path) -> int:
    atheris: Any = __import__("atheris") if find_spec("atheris") else None
    if atheris is None:
        from tests.fuzz.targets import TARGETS
    else:
        with atheris.instrument_imports(include=["t2vbatch"]):
            from tests.fuzz.targets import TARGETS
    from tests.fuzz.seeds import seeds

    faults, start = Faults(name, found), time.monotonic()
    target = faults.trying(TARGETS[name])

    def over() -> bool:
        return time.monotonic() - start >= seconds

    def summary() -> int:
        spent, kinds = time.monotonic() - start, len(faults.known)
        print(f"{name}: {faults.inputs:,} inputs in {spent:.0f} s, {kinds} kinds of fault", flush=True)
        return 1 if kinds else 0

    if atheris is not None:
        faults.folder.mkdir(parents=True, exist_ok=True)
        _guided(atheris, target, seeds(name), over, summary, faults.folder)
    _edit_randomly(target, seeds(name), over)
    return summary()


def _edit_randomly(
    target: Callable[[bytes], None], seeds: tuple[bytes, ...], over: Callable[[], bool]
) -> None:
    from tests.fuzz.mutate import edited, random_edits

    rng = random.Random(0)
    while not over():
        target(edited(rng.choice(seeds), random_edits(rng, seeds)))


def _guided(
    atheris: Any,
    target: Callable[[bytes], None],
    seeds: tuple[bytes, ...],
    over: Callable[[], bool],
    summary: Callable[[], int],
    kept: Path,
) -> None:
    """Fuzz by coverage until the time is over, and end the process: the fuzzer does not return.

    Args:
        kept: where the fuzzer saves an input that ends the process.
    """
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            (Path(folder) / f"seed-{number}").write_bytes(seed)

        def timed(data: bytes) -> None:
            target(data)
            if over():
                code = summary()
                shutil.rmtree(folder, ignore_errors=True)
                os._exit(code)

        options = ["-rss_limit_mb=4096", "-timeout=120", f"-artifact_prefix={kept}/"]
        atheris.Setup([sys.argv[0], folder, *options], timed)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
