"""The loop of the documentation, in one process: ``python -m tests.benchmarks.plain.loop PROMPTS FOLDER``.

torch takes as many threads as the machine has cores.
"""

import sys

from tests.benchmarks.plain.steps import Generator, read_tasks, write_table


def main(prompts: str, folder: str) -> None:
    """Make every video."""
    generator = Generator(folder)
    write_table(folder, [generator.make(task) for task in read_tasks(prompts)])


if __name__ == "__main__":
    main(*sys.argv[1:])
