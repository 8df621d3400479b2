"""Plug-ins for generators outside diffusers: each needs its own package, and is imported when a job names it.

They are examples, too: what they do, a class of one's own does (see t2vbatch.models.plugins).
"""
