"""Statistics of finished videos, computed from results tables and video files. It changes no sample.

``summary.py`` computes counts and means of a run, ``compare.py`` compares models, ``intervals.py`` computes
confidence intervals, ``distance/`` measures FVD and FID, ``highlights.py`` chooses example videos, and the
``*_text.py`` modules print tables. The report shows these numbers and the exchange room exports them.
"""
