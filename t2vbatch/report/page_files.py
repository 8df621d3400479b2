"""The scripts and styles of the page: many small files in the package, one file of each kind in a report."""

from collections.abc import Sequence
from importlib.resources import files

from t2vbatch.media.poster import POSTERS
from t2vbatch.report.inputs import FOLDER as INPUTS
from t2vbatch.storage.files import Folder

_STYLES = ("vendor/uPlot.min.css", "report.css", "views.css")
# The first script is ours: its "use strict" counts for the whole file.
_SCRIPTS = (
    "samples.js",
    "state.js",
    "focus.js",
    "frames.js",
    "player.js",
    "clock.js",
    "filters.js",
    "chips.js",
    "sorting.js",
    "recipe.js",
    "facts.js",
    "stage.js",
    "detail.js",
    "strip.js",
    "leaderboard.js",
    "breakdown.js",
    "failures.js",
    "overview.js",
    "gallery.js",
    "sidebyside.js",
    "votes.js",
    "vote.js",
    "columns.js",
    "table.js",
    "histogram.js",
    "vendor/uPlot.iife.min.js",
    "dots.js",
    "scatter.js",
    "charts.js",
    "page.js",
)
_LICENSES = ("vendor/uPlot.LICENSE",)

STYLE, SCRIPT = "page.css", "page.js"
_WRITTEN = {
    f"report/{STYLE}": _STYLES,
    f"report/{SCRIPT}": _SCRIPTS,
    "report/uPlot.LICENSE": _LICENSES,
}
_OTHERS = {"report/index.html", "report/data.js"}
_KEPT = (f"{POSTERS}/", INPUTS)


def write_assets(folder: Folder) -> None:
    """Write the scripts and styles into ``report/``, and delete those of an older version."""
    for name, parts in _WRITTEN.items():
        folder.write(name, _joined(parts))
    for name in set(folder.names("report")) - _WRITTEN.keys() - _OTHERS:
        if not name.startswith(_KEPT):
            folder.delete(name)


def _joined(parts: Sequence[str]) -> bytes:
    """The files one after the other, each below its name."""
    texts = [files(__package__).joinpath("assets", *part.split("/")).read_bytes() for part in parts]
    if len(parts) == 1:
        return texts[0]
    return b"\n".join(
        b"/* %s */\n%s" % (part.encode(), text) for part, text in zip(parts, texts, strict=True)
    )
