"""The state of the worker for operators, as one screen and as metrics."""

from worker.status.overview import Fleet, Status, concerns, problems, queue_lengths, read_fleet, read_status

__all__ = ["Fleet", "Status", "concerns", "problems", "queue_lengths", "read_fleet", "read_status"]
