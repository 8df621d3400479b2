"""``python -m tests.fuzz [TARGET...] [--seconds N] [--found FOLDER]``: fuzzes the targets one after another.

With atheris the inputs are guided by the coverage of t2vbatch; without it they are random edits of the seeds.
Each new kind of fault is printed once, and its input saved; the exit code is 1 if there was one.
"""

import argparse
import hashlib
import random
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
        self._folder = folder / name
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
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / hashlib.sha256(data).hexdigest()[:12]).write_bytes(data)
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

    faults = Faults(name, found)
    target = faults.trying(TARGETS[name])
    start = time.monotonic()
    if atheris is None:
        _edit_randomly(target, seeds(name), seconds)
    else:
        _guided(atheris, target, seeds(name), seconds)
    spent = time.monotonic() - start
    found_text = f"{len(faults.known)} kinds of fault"
    print(f"{name}: {faults.inputs:,} inputs in {spent:.0f} s, {found_text}", flush=True)
    return 1 if faults.known else 0


def _edit_randomly(target: Callable[[bytes], None], seeds: tuple[bytes, ...], seconds: float) -> None:
    from tests.fuzz.mutate import edited, random_edits

    rng, until = random.Random(0), time.monotonic() + seconds
    while time.monotonic() < until:
        target(edited(rng.choice(seeds), random_edits(rng, seeds)))


def _guided(atheris: Any, target: Callable[[bytes], None], seeds: tuple[bytes, ...], seconds: float) -> None:
    """Fuzz by coverage until the time is over. The fuzzer ends its process, so a child runs it."""
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(seeds):
            (Path(folder) / f"seed-{number}").write_bytes(seed)
        until = time.monotonic() + seconds

        def timed(data: bytes) -> None:
            target(data)
            if time.monotonic() >= until:
                raise KeyboardInterrupt

        options = ["-rss_limit_mb=4096", "-timeout=120", f"-artifact_prefix={folder}/"]
        atheris.Setup([sys.argv[0], folder, *options], timed)
        atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
