"""Decides which worker starts, stops and gets which unit: events in, actions out. No Ray, no clock.  [pure]

An engine (see t2vbatch.engines) carries the actions out.

::

    messages       events and actions
    scheduler      the decisions
      failures     what follows a failure
      charges      which sample a failure is charged to
      backlog      the waiting units of one model
      pool         all workers
      worker_state one worker
      together     how many short units a worker gets at once
    limits         the bounds that are kept
"""

from t2vbatch.schedule.limits import RunLimits
from t2vbatch.schedule.messages import Action, Ending, Event, Progress
from t2vbatch.schedule.scheduler import Scheduler

__all__ = ["Action", "Ending", "Event", "Progress", "RunLimits", "Scheduler"]
