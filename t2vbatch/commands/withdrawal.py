"""Withdraws the records of samples that a run generates again, and compares old videos with new ones."""

import logging

import pyarrow as pa
import pyarrow.compute as pc

from t2vbatch.errors import counted
from t2vbatch.output.store import Store
from t2vbatch.plan import Plan

_log = logging.getLogger(__name__)


class Withdrawal:
    """The samples that a run generates again, with the digests of their old videos."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self._store, self._plan = store, plan
        self._lost: set[str] = set()
        self._digests: dict[str, str | None] = {}

    def withdraw(self, records: pa.Table, lost: set[str], retry_failed: bool = False) -> pa.Table:
        """Withdraw the records of samples that are generated again; return the records that stay.

        Args:
            records: with ``sample_id`` and ``status``.
            lost: samples whose video is missing or damaged.
            retry_failed: whether to generate the samples again that an earlier run gave up on. The record of
                a bad row stays, because no retry changes the row.
        """
        if not lost and not retry_failed:
            return records
        self._lost |= lost
        self._digests |= _digests(self._store, lost)
        again = _are_in(records, lost)
        if retry_failed:
            planned = pc.is_in(records["sample_id"], self._plan.table["sample_id"])
            failed = pc.and_(planned, pc.equal(records["status"], "failed"))
            again = pc.or_(again, pc.and_not(failed, _are_in(records, set(self._plan.bad))))
        if lost:
            _log.warning("%s will be generated again", counted(len(lost), "missing or damaged video"))
        self._store.discard(records.filter(again)["sample_id"].to_pylist())
        return records.filter(pc.invert(again))

    def remade(self) -> dict[str, bool]:
        """The samples whose videos were lost: whether the new video has the same bytes."""
        now = _digests(self._store, self._lost)
        return {sample_id: self._digests.get(sample_id) == digest for sample_id, digest in now.items()}


def _digests(store: Store, sample_ids: set[str]) -> dict[str, str | None]:
    """The digest of each sample's video, for the samples that have a record."""
    if not sample_ids:
        return {}
    records = store.records(["sample_id", "video_sha256"])
    return dict(zip(*records.filter(_are_in(records, sample_ids)).to_pydict().values(), strict=True))


def _are_in(records: pa.Table, sample_ids: set[str]) -> pa.ChunkedArray:
    """Whether each record is one of these samples'."""
    return pc.is_in(records["sample_id"], pa.array(list(sample_ids), pa.string()))
