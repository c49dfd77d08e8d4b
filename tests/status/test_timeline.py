"""The moments of a run, in order, with the time between them."""

from datetime import UTC, datetime, timedelta

import pytest

from worker.status.timeline import timeline

AT = datetime(2026, 3, 4, 12, tzinfo=UTC)
RUN = {
    "queued_at": AT,
    "trigger": "user",
    "dispatched_at": None,
    "dispatch_count": 0,
    "started_at": None,
    "worker_name": None,
    "attempt": 0,
    "cancel_requested_at": None,
    "status": "queued",
    "heartbeat_at": None,
    "pages": 0,
    "fetched": 0,
    "not_before": None,
    "finished_at": None,
    "code": None,
    "claimed_at": None,
    "requests": None,
    "earlier_attempts": None,
}
STARTED = {"dispatched_at": AT, "dispatch_count": 1, "started_at": AT + timedelta(seconds=1), "worker_name": "w1"}
ACCOUNT = {
    "name": "Giro",
    "from_on": None,
    "to_on": None,
    "fetched": 9,
    "created": 2,
    "updated": 0,
    "linked": 0,
    "removed": 1,
    "code": "ok",
    "finished_at": AT + timedelta(seconds=2),
}


@pytest.mark.parametrize(
    ("changes", "accounts", "moments"),
    [
        pytest.param({}, [], [("queued: a person asked for it", 0)], id="waits"),
        pytest.param(
            {"status": "deferred", "code": "rate_limited", "not_before": AT + timedelta(hours=1)},
            [],
            [("queued: a person asked for it", 0), ("goes on at this moment (rate_limited)", 3600)],
            id="deferred",
        ),
        pytest.param(
            STARTED | {"status": "succeeded", "code": "ok", "finished_at": AT + timedelta(seconds=3)},
            [ACCOUNT],
            [
                ("queued: a person asked for it", 0),
                ("sent to a worker", 0),
                ("started by w1", 1),
                ("Giro: 9 rows read, 3 changed (ok)", 1),
                ("ended: succeeded (ok)", 1),
            ],
            id="ended",
        ),
        pytest.param(
            STARTED
            | {
                "status": "running",
                "attempt": 2,
                "dispatch_count": 2,
                "heartbeat_at": AT + timedelta(seconds=9),
                "pages": 4,
            },
            [],
            [
                ("queued: a person asked for it", 0),
                ("sent to a worker, 2 times", 0),
                ("started by w1, attempt 2", 1),
                ("last heartbeat; 4 pages, 0 rows so far", 8),
            ],
            id="runs for the second time",
        ),
        pytest.param(
            STARTED
            | {
                "claimed_at": AT + timedelta(seconds=60),
                "requests": {"asked": 2, "kept": [[100, "GET", "accounts", "200", 250, 2048, 1500, 1]]},
                "earlier_attempts": [
                    {
                        "claimed_at": (AT + timedelta(seconds=1)).isoformat(),
                        "ended_at": (AT + timedelta(seconds=20)).isoformat(),
                        "worker_name": "w0",
                        "code": "worker_lost",
                        "requests": {"asked": 1, "kept": [[9000, "GET", "accounts", "timeout", 5000, 0, 0, 2]]},
                    }
                ],
                "status": "partial",
                "code": "rows_rejected",
                "finished_at": AT + timedelta(seconds=61),
            },
            [],
            [
                ("queued: a person asked for it", 0),
                ("sent to a worker", 0),
                ("started by w0", 1),
                ("GET accounts, try 2: timeout in 5.00 s", 9),
                ("the last sign of its worker, which was lost", 10),
                ("started by w1", 40),
                ("GET accounts after a wait of 1.5 s: 200 in 0.25 s, 2.0 KiB", 0.1),
                ("ended: partial (rows_rejected)", 0.9),
            ],
            id="two attempts and what they asked the bank",
        ),
    ],
)
def test_the_moments_of_a_run_are_told_in_order(changes, accounts, moments):
    assert [(one.what, one.after_s) for one in timeline(RUN | changes, accounts)] == moments
