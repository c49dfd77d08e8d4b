"""Celery's own life cycle: heartbeats of its processes and metrics of its tasks."""
