"""The state of the worker for operators, as one screen and as metrics."""

from worker.status.overview import Status, concerns, problems, queue_lengths, read_status

__all__ = ["Status", "concerns", "problems", "queue_lengths", "read_status"]
