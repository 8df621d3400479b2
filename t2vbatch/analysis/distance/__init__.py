"""Distances of whole sets of videos: FVD and FID against a reference, of each model of a run.

A score is of one video, and a mean of scores is ``summary.py``'s; a distance exists for the set alone. A
job's ``distances`` become questions (``question.py``), whose features workers compute (``features.py``);
``measure.py`` makes numbers of them, and ``result.py`` says what stands beside each.
"""
