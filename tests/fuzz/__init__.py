"""Fuzzers: random bytes as every kind of file that t2vbatch reads from others.

``targets.py`` says what each file may cause; ``corpus/`` keeps small inputs, those that once caused a fault
among them. Each test run replays the corpus and tries some mutations; ``python -m tests.fuzz`` goes on for as
long as you like, guided by coverage where atheris is installed.
"""
