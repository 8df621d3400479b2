"""A plug-in as a model: converts what its ``generate`` returns to videos."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from t2vbatch.errors import BrokenInputError, EncodeError, RowError
from t2vbatch.media.decoding import decode_file
from t2vbatch.media.reading import DEFAULT, Reading
from t2vbatch.media.video import Video
from t2vbatch.models.calls.outputs import to_frames
from t2vbatch.models.host_copies import complete_copies
from t2vbatch.models.protocol import Request


class PluginModel:
    """A plug-in that is loaded; see VideoModel.

    Args:
        plugin: has ``generate(requests)``, which returns one entry for each request: a Video, its frames in
            any form that ``to_frames`` reads, or the path of a video file; or one array with a batch axis.
        fps: frames per second of entries that are frames alone.
        how: the limits of decoding files.
    """

    def __init__(self, plugin: Any, fps: float, how: Reading = DEFAULT) -> None:
        self._plugin, self._fps, self._how = plugin, fps, how

    def generate(self, requests: Sequence[Request]) -> list[Video]:
        """See VideoModel."""
        with complete_copies():  # A plug-in may convert frames itself, and read them.
            returned = self._plugin.generate(requests)
        if isinstance(returned, np.ndarray | torch.Tensor):
            return [Video(frames, self._fps) for frames in to_frames(returned, len(requests))]
        if not isinstance(returned, list | tuple) or len(returned) != len(requests):
            raise RowError(
                f"{type(self._plugin).__name__}.generate returned {_described(returned)} "
                f"for {len(requests)} request(s); expected a list with one video for each request"
            )
        return [self._video(entry) for entry in returned]

    def _video(self, entry: Any) -> Video:
        if isinstance(entry, Video):
            return entry
        if isinstance(entry, str | Path):
            return self._decoded(Path(entry))
        return Video(to_frames(entry, 1)[0], self._fps)

    def _decoded(self, path: Path) -> Video:
        """The frames and the rate of a video file; its sound is not read."""
        try:
            found = decode_file(path, self._how)
        except (OSError, EncodeError, BrokenInputError) as error:
            raise RowError(f"{type(self._plugin).__name__}.generate returned {path}: {error}") from error
        return Video(found.frames, found.fps)


def _described(returned: Any) -> str:
    """What ``generate`` returned, for a message."""
    if isinstance(returned, list | tuple):
        return f"a {type(returned).__name__} of length {len(returned)}"
    return "None" if returned is None else f"a {type(returned).__name__}"
