"""Whether the files of a model on this machine are those of the plan.

The identity of a sample names the content of local files as the driver read them. A worker loads them later,
perhaps on another machine.
"""

from typing import Any

from t2vbatch.errors import NodeError, UsageError


def check_planned(key: str, path: Any, found: Any, planned: Any) -> None:
    """Refuse local files that changed after the plan was made, or that differ on this machine.

    Args:
        key: the key of the model that names them.
        found: their identity here.
        planned: their identity in the plan.

    Raises:
        NodeError: the identities differ.
    """
    if found != planned:
        problem = UsageError(
            key,
            f"{path}, whose files on this machine are not those of the plan",
            "files that stay the same during a run, and on every node",
            "copy the same files to every node; then run the same command again, which plans with them",
        )
        raise NodeError(str(problem))
