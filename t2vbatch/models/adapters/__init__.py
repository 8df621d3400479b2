"""Plug-ins for generators outside diffusers. Each needs its own package and is imported when a job names it.

They are also examples for your own plug-ins (see t2vbatch.models.plugins).
"""
