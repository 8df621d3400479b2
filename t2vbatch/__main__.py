"""``python -m t2vbatch`` is the command line."""

from t2vbatch.cli import command

command()
