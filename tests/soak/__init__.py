"""A long run with faults of every class at once, on a storage that misbehaves: ``python -m tests.soak``.

Its memory, handles, temporary files and processes at the end must equal those at the beginning, and every
sample must end as its row says.
"""
