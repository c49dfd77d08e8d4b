"""What an operator looks at: the state of everything at once, as one screen and as metrics."""

from worker.status.overview import Status, concerns, problems, queue_lengths, read_status

__all__ = ["Status", "concerns", "problems", "queue_lengths", "read_status"]
