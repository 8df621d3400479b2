"""Whether a run starts its Ray while the job is planned."""

from t2vbatch.commands.status_file import counts_of, read_status_file
from t2vbatch.errors import StoreError, UsageError
from t2vbatch.job import Job
from t2vbatch.metrics import job_metrics
from t2vbatch.output.store import open_store
from t2vbatch.storage.files import local_path
from t2vbatch.storage.writable import check_writable


def will_start_ray(job: Job, retry_failed: bool = False) -> bool:
    """Whether a run of this job will probably start a Ray on this machine.

    Not where the last run finished every sample: after an edit, Ray starts when the plan shows what is
    missing. Nor where the plan will refuse the manifest, the output or a metric, so that the refusal does
    not wait for the import of Ray.
    """
    if job.engine != "ray" or job.ray.address is not None:
        return False
    manifest, output = local_path(job.manifest), local_path(job.output)
    if manifest is not None and not manifest.exists():
        return False
    try:
        if output is not None:
            check_writable("output", output)
        job_metrics(job)
        status = read_status_file(open_store(job.output))
    except (StoreError, UsageError, OSError):
        return False
    counts = counts_of(status) if status.get("complete") else None
    return counts is None or counts.pending > 0 or (retry_failed and counts.failed > 0)
