"""One measured figure beside its goal, and the description of the machine that measured it."""

import importlib.metadata
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        work: what was measured.
        value: the figure.
        goal: the largest value that reaches the goal; None if the figure has no goal.
        unit: of both, such as ``ms/sample``.
        details: other figures of the same run, for the JSON file.
        larger: whether larger is better; the goal is then the smallest value that reaches it.
    """

    work: str
    value: float
    goal: float | None
    unit: str
    details: Mapping[str, Any]
    larger: bool = False

    @property
    def reached(self) -> bool:
        """Whether the value reaches the goal, if there is one."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.larger else self.value <= self.goal

    def __str__(self) -> str:
        bound = "at least" if self.larger else "at most"
        goal = "" if self.goal is None else f"{bound} {self.goal:g}"
        met = "" if self.goal is None else "yes" if self.reached else "no"
        return f"| {self.work} | {self.value:.4g} {self.unit} | {goal} | {met} |"


HEAD = "| work | measured | goal | reached |\n| --- | --- | --- | --- |"


def machine() -> dict[str, Any]:
    """Processor, cores, memory, versions, and how busy the machine was with other work."""
    packages = ("t2vbatch", "torch", "ray", "diffusers", "numpy")
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in packages},
        "load_average_before": os.getloadavg(),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )
