"""Extensions of Celery: heartbeats of its processes, latencies of its tasks, and checks of its messages."""
