"""The scripts that a user would write without t2vbatch. They resume, verify and retry nothing.

All of them use the functions of ``steps.py``, so that they differ only in how the prompts reach the model.
"""
