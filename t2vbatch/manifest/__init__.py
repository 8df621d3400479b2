"""Manifests: read, check and normalise a table of prompts and media into rows.  [no torch, no Ray]

::

    read             source -> Manifest, or all of its problems
    sources          the files of a manifest, and their format
    compressed       compressed bytes -> bytes
    text             bytes of any usual encoding -> lines
    delimited        lines -> records of CSV and TSV
    lines            text, CSV, JSON -> raw cells
      json_text      JSON without a silent loss
      json_array     the items of a JSON array
    parquet          one Parquet file or several -> raw cells
    arrow_files      one Arrow file or several -> raw cells
      arrow_types    newer types of Arrow as older ones
    raw              the raw cells, in batches
    columns          the meaning of column names; aliases
    build            raw cells -> one Arrow table
      cells          the values that each known column allows
      extra_columns  types of the extra columns
      typing_csv     types of columns whose cells are all text
      row_ids        ids from content; repeated rows
      bad_rows       rows that are recorded as failed and not refused
    samples          the column ``samples``
    media_checks     media are allowed, exist, and are readable
      missing        why a file does not exist
    table            Manifest and Row
    media            Media: its place, whether it may be read, its bytes
    in_parts         work for threads, several items at a time
    problems         collecting problems
"""

from t2vbatch.job import LIMITS, Limits
from t2vbatch.manifest.columns import MEDIA
from t2vbatch.manifest.media import Media
from t2vbatch.manifest.read import OPTIONS, ManifestOptions, check_manifest, read_manifest
from t2vbatch.manifest.table import Manifest, Row

__all__ = [
    "LIMITS",
    "MEDIA",
    "OPTIONS",
    "Limits",
    "Manifest",
    "ManifestOptions",
    "Media",
    "Row",
    "check_manifest",
    "read_manifest",
]
