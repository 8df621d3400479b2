"""``python -m tests.soak [--samples N] [--seed N]``: runs the soak and prints its tables; exits with 1 where
something grew or an invariant does not hold."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.soak.run import soak


def main() -> int:
    """Run the soak in a temporary folder, and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000, help="samples to generate (default: 20000)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the rows and of the storage's faults")
    arguments = parser.parse_args()
    # Ray's sockets need a short path.
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        report = soak(
            Path(folder), arguments.samples, arguments.seed, show=lambda line: print(line, flush=True)
        )
    print(report)
    return 1 if report.failed else 0


if __name__ == "__main__":
    sys.exit(main())
