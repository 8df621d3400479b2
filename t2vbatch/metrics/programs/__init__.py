"""Judges: programs for the metric ``command`` that score videos in an environment of their own.

Each file is a whole program without imports from t2vbatch, with its requirements as PEP 723 metadata, so that
``uv run FILE`` or any Python that has them can start it.
"""
