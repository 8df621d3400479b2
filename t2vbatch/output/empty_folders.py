"""Removes folders of an output that have no files any more. An object store has no folders."""

import contextlib
import os
from collections.abc import Iterable

from t2vbatch.output.store import Store
from t2vbatch.storage.files import local_path
from t2vbatch.storage.many import delete_many


def clear_folder(store: Store, folder: str) -> None:
    """Delete all files of a folder, and the folder."""
    names = list(store.folder.names(folder))
    delete_many(store.folder, names)
    remove_empty_folders(store, {folder, *map(parent, names)})


def remove_empty_folders(store: Store, folders: Iterable[str]) -> None:
    """Remove those of the folders that are empty, and the folders around them that are empty then."""
    if (root := local_path(store.uri)) is None:
        return
    for folder in set(folders):
        with contextlib.suppress(OSError):  # It has files, or is removed already.
            os.removedirs(root / folder)


def parent(name: str) -> str:
    """The folder of a file."""
    return name.rpartition("/")[0]
