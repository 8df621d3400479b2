"""Breaks a run in every way that ``table.py`` lists, and checks the output afterwards.

``make faults`` runs the whole list with real processes and prints a table; ``test_faults.py`` runs the
quick ones in every test run.
"""
