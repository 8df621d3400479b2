"""Decides which worker starts, stops and gets which unit: events in, actions out. No Ray, no clock.  [pure]

``messages`` holds the events and actions, ``backlog`` the waiting units, ``worker_state`` one worker,
``together`` how many short units it gets at once, ``pool`` all workers, ``charges`` which sample a failure is
charged to, ``scheduler`` the decisions. An engine (see t2vbatch.engines) carries the actions out.
"""

from t2vbatch.schedule.limits import RunLimits
from t2vbatch.schedule.messages import Action, Ending, Event, Progress
from t2vbatch.schedule.scheduler import Scheduler

__all__ = ["Action", "Ending", "Event", "Progress", "RunLimits", "Scheduler"]
