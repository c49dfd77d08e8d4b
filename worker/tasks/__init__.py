"""Celery entry points; each task forwards to one function."""
