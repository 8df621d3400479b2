"""How much of anything a manifest may hold: the job's section ``limits``.  [pure]

The defaults are far beyond what is meant to be written by hand or by a script, and far below what brings a
machine down.
"""

from pydantic import BaseModel, ConfigDict, Field


class Limits(BaseModel):
    """Limits of a manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    rows: int = Field(10_000_000, ge=1, description="rows of the manifest")
    columns: int = Field(1_000, ge=1, description="columns of the manifest")
    nesting: int = Field(32, ge=1, description="lists and objects inside one another in one cell")
    prompt_chars: int = Field(10_000, ge=1, description="characters of a prompt; encoders read a few hundred")
    id_chars: int = Field(1_000, ge=1, description="characters of an id, which becomes part of file names")
    manifest_bytes: int = Field(
        64 << 30, ge=1, description="bytes of the manifest's files as they are stored"
    )
    problems: int = Field(1_000, ge=1, description="problems that are listed; of more, the number is told")

    def bound(self, key: str, what: str = "") -> str:
        """What a message expects where a limit is passed, and the job's key that raises it."""
        return f"at most {getattr(self, key):,}{what and f' {what}'}, or a job with a higher limits.{key}"


LIMITS = Limits()
"""The limits where nobody says otherwise."""
