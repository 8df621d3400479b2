"""The prompts split over processes by accelerate, as the documentation of diffusers shows it::

python -m torch.distributed.run --nproc-per-node 2 -m tests.benchmarks.plain.split PROMPTS FOLDER

torchrun gives each process one thread.
"""

import sys

from accelerate import PartialState

from tests.benchmarks.plain.steps import Generator, read_tasks, write_table


def main(prompts: str, folder: str) -> None:
    """Make this process's share of the videos."""
    state = PartialState(cpu=True)
    generator = Generator(folder)
    with state.split_between_processes(read_tasks(prompts)) as own:
        lines = [generator.make(task) for task in own]
    write_table(folder, lines, f"scores-{state.process_index}.json")
    state.wait_for_everyone()


if __name__ == "__main__":
    main(*sys.argv[1:])
