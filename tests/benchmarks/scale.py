"""What a million samples cost, without a GPU: ``python -m tests.benchmarks.scale WORK [NAME...]``.

Each measurement runs in a process of its own and imports what it needs, so that its memory is its own.
Outputs are made by writing plan and records directly: generating them is not what is measured. The figures go
to ``scale.json`` beside this file.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from t2vbatch.job import Job, Model
from t2vbatch.manifest import read_manifest
from t2vbatch.models.protocol import ModelFacts
from t2vbatch.output.records import RECORDS
from t2vbatch.output.store import Store, open_store
from t2vbatch.plan import Plan, make_plan
from t2vbatch.plan.stored import dump_plan

ROWS = 1_000_000
_FILE = Path(__file__).with_name("scale.json")

_FACTS = ModelFacts(
    identity={"weights": "fake"},
    parameters=frozenset({"num_frames"}),
    call={"num_frames": 8},
    signature={"num_inference_steps": 10},
    requires=frozenset({"prompt"}),
    accepts=frozenset({"prompt"}),
    fps=8.0,
)


def job_of(work: Path, output: str, models: int = 1) -> Job:
    """A job of as many fake models."""
    named = {f"m{number}": Model(path=f"fake {number}") for number in range(models)}
    return Job(manifest=str(work / "rows.parquet"), output=output, models=named, metrics={})


def write_manifest(work: Path, rows: int) -> Path:
    """A manifest of this many rows, with ids and prompts."""
    file = work / f"rows-{rows}.parquet"
    if not file.exists():
        numbers = pa.array(range(rows), pa.int64()).cast(pa.string())
        prompts = pc.binary_join_element_wise("a red ball number", numbers, "rolls over a wooden table", " ")
        pq.write_table(
            pa.table({"id": pc.binary_join_element_wise("r", numbers, ""), "prompt": prompts}), file
        )
    return file


def planned(work: Path, rows: int, models: int = 1) -> Plan:
    """The plan of a manifest of this many rows."""
    file = write_manifest(work, rows)
    facts = {
        f"m{number}": ModelFacts(**vars(_FACTS) | {"identity": {"w": number}}) for number in range(models)
    }
    return make_plan(read_manifest(str(file)), job_of(work, str(work / "out"), models), facts)


def records_of(plan: Plan, count: int) -> pa.Table:
    """Records of the first samples of a plan, as finished workers would have written them."""
    lines = plan.table.slice(0, count)
    now = pa.scalar(0, pa.timestamp("us", tz="UTC"))
    given: dict[str, Any] = {
        **{name: lines[name] for name in ("sample_id", "row_id", "sample_index", "seed", "video")},
        **{name: lines[name].cast(pa.string()) for name in ("model", "call")},
        "prompt": plan.rows["prompt"].take(lines["row"]).cast(pa.string()),
        "video_sha256": lines["sample_id"],
        "frames_sha256": lines["sample_id"],
        **dict.fromkeys(("started_at", "finished_at"), pa.array([now.as_py()] * count, now.type)),
    }
    plain = {
        "status": "ok",
        "attempts": 1,
        "bytes": 1,
        "fps": 8.0,
        "num_frames": 8,
        "width": 64,
        "height": 64,
    }
    plain |= {"generate_s": 1.0, "versions": "{}", "scores": "{}", "score_errors": "{}", "duration_s": 1.0}
    for field in RECORDS:
        if field.name in plain:
            given[field.name] = pa.array(np.full(count, plain[field.name]))
        elif field.name not in given:
            given[field.name] = pa.nulls(count, field.type)
    return pa.table({name: given[name] for name in RECORDS.names}).cast(RECORDS)


def filled(store: Store, plan: Plan, count: int, job: Job) -> None:
    """Write an output in which this many samples are finished."""
    store.write_job(job)
    store.write_plan(plan)
    store.log.rewrite(records_of(plan, count))


def plan_rows(work: Path) -> dict[str, float]:
    """Read a manifest of a million rows, plan it, and make the plan's file."""
    write_manifest(work, ROWS)
    return _timed(lambda: dump_plan(planned(work, ROWS)))


def plan_models(work: Path) -> dict[str, float]:
    """The same with three models."""
    return _timed(lambda: dump_plan(planned(work, ROWS, 3)))


def status_disk(work: Path) -> dict[str, float]:
    """The status of a million finished samples, as ``t2vbatch status`` reads it."""
    store = _million(str(work / "million"), work)
    return _timed(lambda: _read_status(store))


def status_after_a_kill(work: Path) -> dict[str, float]:
    """The same where the last run was killed, so that the records are counted."""
    store = _million(str(work / "million"), work)
    store.write_json("status.json", {"complete": False})
    return _timed(lambda: _read_status(store))


MEASUREMENTS: dict[str, Callable[[Path], dict[str, float]]] = {
    one.__name__: one
    for one in (
        plan_rows,
        plan_models,
        status_disk,
        status_after_a_kill,
    )
}


def _read_status(store: Store) -> object:
    from t2vbatch.commands.status import read_status

    return read_status(store)


def _million(output: str, work: Path) -> Store:
    store = open_store(output)
    if store.folder.size("plan.parquet") is None:
        filled(store, planned(work, ROWS), ROWS, job_of(work, output))
    store.write_json("status.json", {"complete": True, "counts": _counts(ROWS)})
    return store


def _counts(ok: int) -> dict[str, Any]:
    return {"planned": ok, "ok": ok, "degenerate": 0, "failed": 0, "failures": {}}


def _timed(act: Callable[[], object]) -> dict[str, float]:
    """Seconds by the clock, seconds of CPU, and the most memory of this process, in GiB."""
    start, began = time.perf_counter(), time.process_time()
    act()
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu_seconds": round(time.process_time() - began, 2),
        "peak_gib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2),
    }


def main() -> None:
    """Measure, each in a process of its own, and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="a folder for outputs of some gigabytes")
    parser.add_argument("names", nargs="*", help=f"of {', '.join(MEASUREMENTS)}; default: all")
    parser.add_argument("--one", action="store_true", help="measure in this process, and print it")
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    if options.one:
        print(json.dumps(MEASUREMENTS[options.names[0]](options.work)))
        return
    found = json.loads(_FILE.read_text()) if _FILE.exists() else {}
    for name in options.names or MEASUREMENTS:
        command = [sys.executable, "-m", "tests.benchmarks.scale", str(options.work), name, "--one"]
        shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        machine = (
            f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, python {platform.python_version()}"
        )
        load = round(os.getloadavg()[0], 1)
        found[name] = json.loads(shown.splitlines()[-1]) | {"machine": machine, "load": load}
        print(f"{name:20} {found[name]}", flush=True)
        _FILE.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
