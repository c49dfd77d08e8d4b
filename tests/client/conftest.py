"""Fixtures of runs that a worker executes."""

from tests.tasks.conftest import connect_mock, opened, settings

__all__ = ["connect_mock", "opened", "settings"]
