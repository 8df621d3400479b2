"""What a judge of pairs gets of a row besides its prompt: the input images, and cells of the manifest."""

import threading
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
from PIL import Image

from t2vbatch.commands.judge_pairs import Side, VideoPair
from t2vbatch.job import Job
from t2vbatch.media.reading import reading_of
from t2vbatch.metrics.command import image_files
from t2vbatch.metrics.program_file import ProgramFile
from t2vbatch.models.calls.inputs import read_image
from t2vbatch.output.store import open_store
from t2vbatch.plan import Plan, Sample, read_inputs


class RowInputsReader:
    """Reads what a program asks for. The plan of an output is read once, for all threads."""

    def __init__(self, program: ProgramFile) -> None:
        self._program = program
        self._outputs: dict[str, tuple[Plan, Job]] = {}
        self._lock = threading.Lock()

    def request(self, pair: VideoPair, folder: Path) -> dict[str, Any]:
        """The part of the request that describes the row of a pair.

        Raises:
            InputError: an image cannot be read, or changed after it was planned.
            BrokenInputError: an image is damaged.
        """
        found: dict[str, Any] = {}
        if self._program.images:
            # A model that reads no image may be compared with one that does.
            images = [self._images(side) for side in (pair.left, pair.right)]
            found |= image_files(images[0] if any(images[0].values()) else images[1], folder)
        if self._program.texts:
            found["texts"] = dict(self._sample(pair.left).texts)
        return found

    def _images(self, side: Side) -> dict[str, Image.Image | None]:
        sample, job = self._sample(side), self._output(side.output)[1]
        names = ("image", "last_image")
        media = read_inputs(sample).media if any(name in sample.media for name in names) else {}
        how = reading_of(job, sample.model)
        return {name: read_image(media[name], how) if name in media else None for name in names}

    def _sample(self, side: Side) -> Sample:
        plan, _ = self._output(side.output)
        return plan.planned(pc.index(plan.table["sample_id"], side.sample_id).as_py(), self._program.texts)

    def _output(self, uri: str) -> tuple[Plan, Job]:
        with self._lock:
            if uri not in self._outputs:
                store = open_store(uri)
                self._outputs[uri] = store.read_plan(), store.read_known_job()
            return self._outputs[uri]
