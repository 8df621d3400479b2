"""Rows x models x indices become samples, and samples become units.

::

    make           manifest and job -> plan
      calls        the distinct calls of a model, with their costs
      media        the files that rows name, with their digests
      problems     rows that cannot be generated
      bad_rows     whether these are refused or recorded
      sample_ids   identities and seeds
      names        file names of videos
      plan_notes   what the user should know before a run
    plan           Plan, Sample and Unit
    units          pending samples -> units
    stored         a plan as a file
      parquet_file reading such a file, which may be damaged
"""

from t2vbatch.plan.make import check_rows, make_plan
from t2vbatch.plan.names import safe_name
from t2vbatch.plan.plan import PLAN, Plan, PlannedModel, Sample, Unit, read_inputs
from t2vbatch.plan.sample_ids import derive_seed

__all__ = [
    "PLAN",
    "Plan",
    "PlannedModel",
    "Sample",
    "Unit",
    "check_rows",
    "derive_seed",
    "make_plan",
    "read_inputs",
    "safe_name",
]
