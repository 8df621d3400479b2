"""Who does what next: events in, actions out. No Ray, no clock.  [pure]

``messages`` holds the events and actions, ``backlog`` what waits, ``seat`` one worker, ``staff`` all of them,
``blame`` whose fault a failure is, ``scheduler`` the decisions. An engine (see t2vbatch.engines) carries the
actions out.
"""

from t2vbatch.schedule.limits import Limits
from t2vbatch.schedule.messages import Action, Ending, Event, Progress
from t2vbatch.schedule.scheduler import Scheduler

__all__ = ["Action", "Ending", "Event", "Limits", "Progress", "Scheduler"]
