"""Tries to break a run in every way that is listed in ``table.py``, and checks what is left.

``make faults`` runs the whole list with real processes and prints a table; ``tests/test_faults.py`` runs the
quick ones in every test run.
"""
