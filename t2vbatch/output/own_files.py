"""Whether a run may write into a folder: its files are those of earlier runs, or have other names."""

from t2vbatch.storage.files import Folder

_WRITTEN = ("job.yaml", "plan.parquet", "results.parquet", "metadata.parquet", "summary.json", "status.json")
"""Files that a run replaces, and that the user may have under the same name."""


def foreign_files(folder: Folder) -> list[str]:
    """The files of a folder that a run would replace although no run wrote them; empty for an output.

    The lease is the first file of an output, and the records are its last ones.
    """
    if folder.size("lease.json") is not None or next(iter(folder.names("records")), None) is not None:
        return []
    return [name for name in _WRITTEN if folder.size(name) is not None]
