"""Turn a dataset of prompts and images into a dataset of videos: deterministic, resumable, scored."""

__version__ = "0.1.0"
