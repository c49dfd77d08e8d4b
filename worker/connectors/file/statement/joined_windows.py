"""Joins ranges of days. Pure."""

from worker.connectors.base import Window


def join_windows(windows: list[Window]) -> tuple[Window, ...]:
    """Join ranges of days that overlap or follow one another without a gap."""
    joined: list[Window] = []
    for window in sorted(windows, key=lambda one: one.from_on):
        if joined and (window.from_on - joined[-1].to_on).days <= 1:
            joined[-1] = Window(from_on=joined[-1].from_on, to_on=max(joined[-1].to_on, window.to_on))
        else:
            joined.append(window)
    return tuple(joined)
