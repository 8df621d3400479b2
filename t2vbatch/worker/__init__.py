"""One loaded model in one process. This file imports nothing, so that the driver does not import torch.

::

    protocol       Work and Outcome: what engines and workers exchange
    factory        the message that starts a worker
    start          loads the model and the metrics
    worker         reads inputs, generates
    finish         encodes, checks, publishes, scores, commits
    video_scorer   the worker of ``t2vbatch score``
    probe          the worker that measures batch sizes
"""
