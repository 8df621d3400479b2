"""Failures of an output, grouped by model and error."""

from typing import Any

import pyarrow as pa
import pytest

from t2vbatch.analysis.failures import failure_groups
from t2vbatch.errors import error_kind
from t2vbatch.output.records import RESULTS


def _tables(*rows: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    """A plan and the records of these samples."""
    full = [{"sample_id": str(i), "sample_index": 0, "attempts": 3, **row} for i, row in enumerate(rows)]
    records = pa.Table.from_pylist(full, RESULTS)
    return records.select(["sample_id", "row_id", "model", "sample_index"]), records


def test_equal_failures_are_one_group() -> None:
    """One line for any number of samples with the same error of the same model, the largest group first."""
    broken = {"model": "wan", "status": "failed", "error_type": "RowError", "error": "x", "traceback": "t"}
    planned, records = _tables(
        {"row_id": "z", "model": "wan", "status": "failed", "error_type": "CrashError", "error": "y"},
        *({"row_id": row, **broken} for row in "abc"),
        {"row_id": "d", "model": "wan", "status": "ok"},
        {"row_id": "e", "model": "ltx", "status": "degenerate", "error_type": "DegenerateError"},
    )
    first, second, third = failure_groups(planned, records)
    assert first.samples == ("a-0", "b-0", "c-0")
    assert first.title == "3 samples of wan: RowError: x"
    assert (first.attempts, first.traceback) == (3, "t")
    assert second.title == "1 sample of wan: CrashError: y"
    assert (third.model, third.status) == ("ltx", "degenerate")


def test_samples_outside_the_plan_do_not_count() -> None:
    """The failures of a job leave out superseded records."""
    planned, records = _tables({"row_id": "a", "model": "m", "status": "failed", "error_type": "RowError"})
    assert failure_groups(planned.slice(1), records) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("cannot read /data/a.png: no space", "cannot read /data/c.png: no space"),
        ("'/data/my pictures/a.png' is empty", "'/mnt/x.png' is empty"),
        ("image: no file at /mnt/a.png", "image: no file at '/mnt/my pictures/red fox.png'"),
        ("image at 's3://b/red fox.png': empty", "image at s3://b/a.png: empty"),
        ("image at \"/it's mine/a.png\": empty", "image at /a.png: empty"),
        ("images/a.png: found no image", "images/deep/b.jpeg: found no image"),
        ("C:\\data\\a.bin is locked", "D:\\b.bin is locked"),
        ("https://host.example/a?token=1 answered 404", "https://host.example/b/c answered 404"),
        ("http://127.0.0.1:4001/a failed", "http://127.0.0.1:53211/b failed"),
        ("the image of row 'a' changed", "the image of row 'b c' changed"),
        ("the image of row 17 changed", "the image of row 4 changed"),
        ("worker 3 died: exit code 1", "worker 12 died: exit code 1"),
        ("no 2.50 GiB free. Process 811 has 1 MiB", "no 768.00 MiB free. Process 9 has 2.5 GiB"),
        ("found 12,345 bytes", "found 1 byte"),
        ("did not answer in 10.5 s", "did not answer in 9 s"),
        ("<Frame object at 0x7f01ab>", "<Frame object at 0x55ee20>"),
        ("sample 9f86d081884c7d65", "sample 60303ae22b998861"),
        ("lock of 123e4567-e89b-12d3-a456-426614174000", "lock of 00000000-e89b-12d3-a456-426614174abc"),
        ("tmpab12cd34 is full", "tmpzz9_8yx1 is full"),
        ("no route to 10.0.0.1:443", "no route to 10.0.20.1:8080"),
        ("expired at 2026-01-02T03:04:05Z", "expired at 2026-11-22 13:14:15.5+01:00"),
    ],
)  # fmt: skip
def test_texts_that_differ_in_a_name_or_an_amount_are_one_kind(first: str, second: str) -> None:
    """Paths, ids, addresses, times, and numbers of bytes and seconds do not make another kind of error."""
    assert error_kind(first) == error_kind(second) != first


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("https://host.example/a answered 404", "https://host.example/a answered 403"),
        ("https://one.example/a failed", "https://two.example/a failed"),
        ("s3://one/a failed", "s3://two/a failed"),
        ("'s3://one/a b' failed", "'s3://two/a b' failed"),
        ("the size of tensor a (64) must match", "the size of tensor a (72) must match"),
        ("expected shape [1, 77, 768]", "expected shape [1, 77, 1024]"),
        ("found 1024x576", "found 576x1024"),
        ("exit code 137", "exit code 139"),
        ("the process was ended by signal 9", "the process was ended by signal 11"),
        ("num_frames is 15", "num_frames is 16"),
        ("no attribute 'scheduler'", "no attribute 'tokenizer'"),
        ("no model org/one", "no model org/two"),
        ("24000/1001 frames", "25/1 frames"),
    ],
)
def test_texts_that_differ_in_their_cause_are_two_kinds(first: str, second: str) -> None:
    """Status codes, exit codes, hosts, shapes, counts and names of the code may be the cause."""
    assert error_kind(first) != error_kind(second)


def test_one_kind_of_error_is_one_group() -> None:
    """Each of two paths is in the group, which shows the error of the first sample."""
    failed = {"model": "wan", "status": "failed", "error_type": "InputError"}
    groups = failure_groups(
        *_tables(
            {"row_id": "a", "error": "/data/a.png answered 404", **failed},
            {"row_id": "b", "error": "/data/b.png answered 404", **failed},
            {"row_id": "c", "error": "/data/c.png answered 403", **failed},
        )
    )
    assert [group.samples for group in groups] == [("a-0", "b-0"), ("c-0",)]
    assert (groups[0].texts, groups[0].error) == (2, "/data/a.png answered 404")
