"""What beat sends, and how often: the periodic tasks of the worker."""

from dataclasses import dataclass
from typing import Any

from celery.schedules import schedule

from worker.broker import (
    ANNOUNCE_BILLS,
    CANARY,
    CONSENT,
    DELIVER,
    FINISH_LINKS,
    OBSERVE_BANKS,
    PRUNE,
    PRUNE_EVENTS,
    REAP,
    REMOVE_FILES,
    SEND_REMINDERS,
    TICK,
    Queue,
)
from worker.celery_hooks.components import steady_now
from worker.settings import MessagingSettings

_DELIVERY_TICK_S = 1.0
_LINK_TICK_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatEntry:
    """One entry of the beat schedule."""

    task: str
    every_s: float
    queue: Queue = Queue.MAINTENANCE


def beat_entries(settings: MessagingSettings) -> tuple[BeatEntry, ...]:
    """Return the beat schedule. Each task only looks for due rows, so that two beats do no harm."""
    return (
        BeatEntry(task=TICK, every_s=settings.tick_s),
        BeatEntry(task=REAP, every_s=max(1, settings.lease_s / 4)),
        BeatEntry(task=OBSERVE_BANKS, every_s=60),
        BeatEntry(task=FINISH_LINKS, every_s=_LINK_TICK_S),
        BeatEntry(task=PRUNE, every_s=3600),
        BeatEntry(task=DELIVER, every_s=_DELIVERY_TICK_S, queue=Queue.WEBHOOKS),
        BeatEntry(task=ANNOUNCE_BILLS, every_s=60),
        BeatEntry(task=SEND_REMINDERS, every_s=30, queue=Queue.WEBHOOKS),
        BeatEntry(task=PRUNE_EVENTS, every_s=3600),
        BeatEntry(task=CONSENT, every_s=3600),
        BeatEntry(task=REMOVE_FILES, every_s=3600, queue=Queue.SCHEDULED),  # its workers have the statement folder
        *(BeatEntry(task=CANARY, every_s=30, queue=queue) for queue in Queue),
    )


def beat_setting(entry: BeatEntry) -> dict[str, Any]:
    """Return the entry as Celery's `beat_schedule` has it."""
    return {
        "task": entry.task,
        "schedule": schedule(entry.every_s, nowfun=steady_now),
        "args": (entry.queue.value,) if entry.task == CANARY else (),
        # No `expires`, which a consumer would compare with the clock of its own host: ticks that waited are dropped by
        # their number (`worker.celery_hooks.messages`). No `retry`, because the next tick sends it again, and three
        # tries on a frozen Redis take longer than the heartbeat of beat may be old.
        "options": {"queue": entry.queue.value, "retry": False},
    }
