"""Distances between sets of videos: FVD and FID of each model of a run against a reference set.

A score belongs to one video; a distance is defined for a set only. ``spec.py`` checks a job's ``distances``,
workers compute features of the videos (``features.py``), ``measure.py`` computes the distances from them, and
``result.py`` stores each distance with its sample sizes and notes.
"""
