"""Ray Data with a pool of actors: ``python -m tests.benchmarks.plain.ray_data PROMPTS FOLDER ACTORS``.

Ray gives each actor one CPU, and with it one thread.
"""

import sys
from typing import Any

import ray
import ray.data

from tests.benchmarks.plain.steps import Generator, Task, read_tasks, write_table

BATCH = 8
"""Prompts of one call of an actor: few, so that the last batches of two actors end at about the same time."""


class Batches:
    """One actor: a loaded pipeline that takes batches of tasks."""

    def __init__(self, folder: str) -> None:
        self._generator = Generator(folder)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Make the videos of one batch."""
        tasks = zip(batch["index"], batch["prompt"], strict=True)
        lines = [self._generator.make(Task(int(index), str(prompt))) for index, prompt in tasks]
        return {name: [line[name] for line in lines] for name in lines[0]}


def main(prompts: str, folder: str, actors: str) -> None:
    """Make every video."""
    ray.init(address="local", include_dashboard=False, num_cpus=int(actors), log_to_driver=False)
    rows = [vars(task) for task in read_tasks(prompts)]
    made = ray.data.from_items(rows, override_num_blocks=-(-len(rows) // BATCH)).map_batches(
        Batches,
        fn_constructor_args=(folder,),
        batch_size=BATCH,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=int(actors)),
    )
    write_table(folder, made.take_all())


if __name__ == "__main__":
    main(*sys.argv[1:])
