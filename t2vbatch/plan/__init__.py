"""Rows x models x indices become samples, and samples become units."""

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
