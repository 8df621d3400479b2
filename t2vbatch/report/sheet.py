"""Contact sheets as PNG: a run at a glance, for a paper, a message or a terminal that shows images.

Each page lists several videos. Each video is a row of frames below its prompt.
"""

from io import BytesIO
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from PIL import Image

from t2vbatch.analysis.highlights import caption
from t2vbatch.errors import EncodeError
from t2vbatch.media.frames import sampled
from t2vbatch.media.video import decode
from t2vbatch.output.records import score_columns
from t2vbatch.report.lettering import TextLine, draw_line, fitting
from t2vbatch.storage.files import Folder

ROWS = 8
FRAMES = 8
SIDE = 160
"""Longest side of a frame, in pixels. Smaller frames are enlarged without smoothing."""

_GAP, _LINE, _MARGIN = 4, 40, 16
_MISSING = "No font for {} characters: install t2vbatch[cjk], or a font such as fonts-noto."
_PAPER, _INK, _SOFT = "#fbfaf8", "#1d1e21", "#63656b"


def write_sheets(
    folder: Folder, results: pa.Table, model: str | None = None, rows: int = ROWS, frames: int = FRAMES
) -> list[str]:
    """Write ``sheets/MODEL-PAGE.png`` into an output folder and replace existing files of these names.

    Args:
        results: as in results.parquet; samples without a video are skipped.
        model: the only model to show; None: each model, on its own pages.
        rows: videos per page.
        frames: frames per video, including the first and the last.

    Returns:
        The names of the pages, relative to the folder.

    Raises:
        EncodeError: a video cannot be read.
    """
    names = []
    for name in dict.fromkeys(results["model"].to_pylist()) if model is None else [model]:
        shown = results.filter(pc.and_(pc.equal(results["model"], name), pc.is_valid(results["video"])))
        for page, start in enumerate(range(0, shown.num_rows, rows), 1):
            sheet = _page(folder, shown.slice(start, rows), frames)
            # The folder of the model's videos is its name in a form that is safe in a path.
            safe = PurePosixPath(shown["video"][0].as_py()).parts[1]
            names.append(f"sheets/{safe}-{page:03d}.png")
            folder.write(names[-1], sheet)
    return names


def _page(folder: Folder, results: pa.Table, frames: int) -> bytes:
    strips = [
        (caption(row, score_columns(results.schema)), _strip(folder, row["video"], frames))
        for row in results.to_pylist()
    ]
    width = max(strip.width for _, strip in strips) + 2 * _MARGIN
    height = sum(strip.height + _LINE + _MARGIN for _, strip in strips) + _MARGIN
    captions = [_lines(words, width - 2 * _MARGIN) for words, _ in strips]
    missing = sum(line.missing for lines in captions for _, line, _, _ in lines)
    page = Image.new("RGB", (width, height + (_LINE if missing else 0)), _PAPER)
    top = _MARGIN
    for lines, (_, strip) in zip(captions, strips, strict=True):
        for offset, line, colour, size in lines:
            draw_line(page, (_MARGIN, top + offset), line, size, colour)
        page.paste(strip, (_MARGIN, top + _LINE))
        top += _LINE + strip.height + _MARGIN
    if missing:
        note = fitting(_MISSING.format(missing), 12, width - 2 * _MARGIN)
        draw_line(page, (_MARGIN, top), note, 12, _SOFT)
    out = BytesIO()
    # Pillow's option ``optimize`` takes ten times as long for a file that is 4% smaller.
    page.save(out, "PNG")
    return out.getvalue()


def _strip(folder: Folder, video: str, frames: int) -> Image.Image:
    try:
        with folder.local(video) as path:
            shown = [_scaled(frame) for frame in sampled(decode(path).frames, frames)]
    except EncodeError as error:
        raise EncodeError(f"{video}: {error}") from error
    width, height = shown[0].size
    strip = Image.new("RGB", (len(shown) * (width + _GAP) - _GAP, height), _PAPER)
    for index, frame in enumerate(shown):
        strip.paste(frame, (index * (width + _GAP), 0))
    return strip


def _scaled(frame: npt.NDArray[np.uint8]) -> Image.Image:
    image = Image.fromarray(frame)
    scale = SIDE / max(image.size)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image.resize(size, Image.Resampling.NEAREST if scale > 1 else Image.Resampling.LANCZOS)


def _lines(words: tuple[str, str], width: int) -> list[tuple[int, TextLine, str, int]]:
    """The prompt and the facts as lines, each with its offset, its colour and its size in pixels."""
    prompt, facts = words
    return [
        (0, fitting(prompt, 15, width), _INK, 15),
        (20, fitting(facts, 12, width), _SOFT, 12),
    ]
