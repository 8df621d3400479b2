"""Ids of imported rows and keys of exported ones: no two are equal.  [pure]"""


class RowIds:
    """The ids that an import or an export has given."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def free(self, wanted: str) -> str:
        """The id ``wanted``, or with a number after it if another row has it."""
        name, count = wanted, 1
        while name in self._given:
            count += 1
            name = f"{wanted}-{count}"
        self._given.add(name)
        return name
