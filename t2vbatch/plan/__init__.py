"""Rows x models x indices become samples, and samples become units.  [pure]"""

from t2vbatch.plan.plan import PLAN, Plan, Sample, Unit, derive_seed, make_plan, safe_name

__all__ = ["PLAN", "Plan", "Sample", "Unit", "derive_seed", "make_plan", "safe_name"]
