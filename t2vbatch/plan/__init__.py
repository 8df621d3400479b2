"""Rows x models x indices become samples, and samples become units.  [pure]"""

from t2vbatch.plan.names import derive_seed, safe_name
from t2vbatch.plan.plan import PLAN, Plan, Sample, Unit, make_plan, read_inputs

__all__ = ["PLAN", "Plan", "Sample", "Unit", "derive_seed", "make_plan", "read_inputs", "safe_name"]
