"""Tests that need a CUDA device. Without one they are skipped; they have not run on a GPU yet."""
