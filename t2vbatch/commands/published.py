"""Whether the tables and the report of an output are current, so that a run with nothing to do leaves them.

``status.json`` holds two digests: one of what the files were made from, and one of the files. It is written
last, so a process that died while it wrote the files left no digest of them.
"""

import hashlib
from collections.abc import Mapping

from t2vbatch import __version__
from t2vbatch.canonical import digest
from t2vbatch.job import Job, dump_job
from t2vbatch.output.store import Store
from t2vbatch.storage.many import map_many

_TABLES = ("results.parquet", "metadata.parquet", "summary.json", "distances.json")
_PAGE = ("report/index.html", "report/data.js", "report/page.js", "report/page.css")

Digests = Mapping[str, str]


def published_digests(store: Store, job: Job) -> Digests:
    """The digests of the files as they are now: ``sources`` and ``files``.

    The files of a finished run's record log never change, so their names stand for their content. All names
    in the report count, and the versions of tables and page, as the storage reports them.
    """
    plan = hashlib.sha256(store.folder.read("plan.parquet")).hexdigest()
    versions = list(map_many(store.folder, store.folder.version, [*_TABLES, *_PAGE]))
    names = sorted(store.folder.names("report"))
    return {
        "sources": digest(
            [__version__, store.name, plan, dump_job(job), store.read_scorers(), *store.log.names()]
        ),
        "files": digest([versions, names]),
    }
