"""The worker's app with a hard time limit that a test can wait for."""

from worker import broker
from worker.app import app

for queue in broker.TIME_LIMITS:
    broker.TIME_LIMITS[queue] = broker.TimeLimit(soft_s=24, hard_s=26)

__all__ = ["app"]
