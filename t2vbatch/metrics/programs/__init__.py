"""Programs that score videos, each in an environment of its own.

Each file is a whole program without imports from t2vbatch. Its requirements and its columns are in its
metadata (PEP 723), see ``metrics/program_file.py``. A job names one as ``metrics: {NAME: {program: FILE}}``.
"""
