"""What a user reads who names the wrong place as an output."""

from pathlib import Path

import pytest

from t2vbatch.commands.compare import read_results
from t2vbatch.commands.status import read_status
from t2vbatch.errors import UsageError
from t2vbatch.job import load_job
from t2vbatch.output.store import open_store


def test_a_job_file_is_no_output(tmp_path: Path) -> None:
    """The message about a job file in place of an output names the key of the job that has the folder."""
    (tmp_path / "job.yaml").write_text("output: out")
    with pytest.raises(UsageError, match="found:    a file") as error:
        read_status(open_store(str(tmp_path / "job.yaml")))
    assert "the key output" in error.value.fix


def test_a_folder_that_does_not_exist_is_named_as_missing(tmp_path: Path) -> None:
    """Every command that reads an output has the same message for a missing folder."""
    for read in (lambda place: read_status(open_store(place)), lambda place: read_results([place])):
        with pytest.raises(UsageError, match="found:    no such folder"):
            read(str(tmp_path / "ruins"))


def test_an_output_without_tables_says_how_to_write_them(tmp_path: Path) -> None:
    """The message about an output with a plan and no results names the command that writes them."""
    (tmp_path / "plan.parquet").touch()
    with pytest.raises(UsageError, match="no run has ended here") as error:
        read_results([str(tmp_path)])
    assert f"t2vbatch report {tmp_path}" in error.value.fix


def test_an_output_folder_is_no_job_file(tmp_path: Path) -> None:
    """The message about an output in place of a job names the job inside the output."""
    (tmp_path / "job.yaml").touch()
    with pytest.raises(UsageError, match="found:    a folder") as error:
        load_job(tmp_path)
    assert str(tmp_path / "job.yaml") in error.value.fix
