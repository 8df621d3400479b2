"""Deaths while an edit is carried out: videos are superseded, come back, or are pruned."""

import signal

from t2vbatch.commands.prune import find_prunable
from tests.faults.faults import Inject
from tests.faults.invariants import GOOD_ROWS, JobUnderTest

_CHANGED = 3


def edited_at(point: str, nth: int) -> Inject:
    """Kill a run at the nth video that it moves, after three prompts changed or were put back."""

    def inject(job: JobUnderTest, number: int) -> None:
        _finish(job)
        if "comes back" in point:
            _edit(job)
            _finish(job)
            _put_back(job)
        else:
            _edit(job)
        before = job.before()
        _die(job, job.run(point, nth), point)
        _check_kept(job, before.generated)
        _finish(job)
        _check_kept(job, before.generated)
        assert len(job.records()) == len(GOOD_ROWS) + _CHANGED
        _put_back(job)

    return inject


def pruned_at(point: str, nth: int) -> Inject:
    """Kill ``prune`` at its nth deletion; then prune again, or put the pruned samples back into the plan."""

    def inject(job: JobUnderTest, number: int) -> None:
        _finish(job)
        _edit(job)
        _finish(job)
        current = set(job.digests())
        _die(job, job.prune(point, nth), point)
        assert set(job.digests()) == current, "a current video is gone"
        if number % 2:
            _put_back(job)
            _finish(job)
            return
        assert job.prune() == 0, job.log()
        left = find_prunable(str(job.out))
        assert (len(left.sample_ids), left.orphans) == (0, ()), left
        assert list(job.store.folder.names("superseded")) == []
        assert len(job.records()) == len(GOOD_ROWS)

    return inject


def _finish(job: JobUnderTest) -> None:
    assert job.run() == 0, job.log()


def _edit(job: JobUnderTest) -> None:
    changed = [{**row, "prompt": f"{row['prompt']} changed"} for row in GOOD_ROWS[:_CHANGED]]
    job.rows = [*changed, *GOOD_ROWS[_CHANGED:]]
    job.write()


def _put_back(job: JobUnderTest) -> None:
    job.rows = list(GOOD_ROWS)
    job.write()


def _die(job: JobUnderTest, code: int, point: str) -> None:
    assert code == -signal.SIGKILL, f"exit code {code}:\n{job.log()}"
    assert (job.folder / "injected").exists(), f"never reached {point}"


def _check_kept(job: JobUnderTest, generated: object) -> None:
    """Every finished sample has its record, and its one video where people or ``prune`` look for it."""
    assert isinstance(generated, dict)
    names = {*job.store.folder.names("videos"), *job.store.folder.names("superseded")}
    records = job.records()
    for sample_id, times in generated.items():
        video = records[sample_id]["video"]
        assert len(names & {video, f"superseded{video.removeprefix('videos')}"}) == 1, video
        assert job.generated(sample_id) == times, f"{video} was generated again"
