"""Turn a dataset of prompts and images into a dataset of videos: deterministic, resumable, scored."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from t2vbatch.report.notebook import Results

__version__ = "0.1.0"
__all__ = ["Results", "__version__"]


def __getattr__(name: str) -> Any:
    # Only who asks for it waits for pandas and what else a notebook needs.
    if name == "Results":
        from t2vbatch.report.notebook import Results

        return Results
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
