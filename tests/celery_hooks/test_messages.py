"""What is left of a message from the broker, and which messages are not looked at."""

import json
import uuid
from contextlib import suppress
from decimal import Decimal
from types import SimpleNamespace

import pytest

from worker.broker import CANARY, DISPATCH_REQUESTS, EXECUTE, IMPORT_CONNECTION, PUBLISH_EVENT, TICK
from worker.celery_hooks.messages import FloodError, MessageFilter, RefusedMessageError

PARAMETERS = {
    EXECUTE: ["run_id"],
    IMPORT_CONNECTION: ["connection_id"],
    PUBLISH_EVENT: ["user_id", "event_type", "content"],
    CANARY: ["queue"],
    TICK: [],
    DISPATCH_REQUESTS: [],
    "celery.map": ["task", "it"],
}


def a_task(parameters):
    names = {}
    exec(f"def run({', '.join(parameters)}): ...", names)
    return SimpleNamespace(run=names["run"])


TASKS = {name: a_task(parameters) for name, parameters in PARAMETERS.items()}
RUN_ID = "0b6c2a54-8f5e-4c39-9d0e-3f1f7f0c9c11"


def message(
    task=EXECUTE,
    args=(RUN_ID,),
    kwargs=None,
    embed=None,
    queue="interactive",
    content_type="application/json",
    **headers,
):
    payload = [list(args), kwargs or {}, embed or {}]
    return SimpleNamespace(
        headers={"task": task, "id": str(uuid.uuid4()), "lang": "py"} | headers,
        body=json.dumps(payload, default=str),
        payload=payload,
        content_type=content_type,
        delivery_info={"routing_key": queue},
    )


def nested(levels):
    value = []
    for _ in range(levels - 1):
        value = [value]
    return value


@pytest.fixture
def accepted():
    return MessageFilter(TASKS, now=lambda: 0.0)


def test_limits_delays_and_names_of_a_message_are_replaced_by_ours(accepted):
    given = message(timelimit=[1, 0.001], eta="2099-01-01T00:00:00", retries=99, shadow="x\n\x1b[31m", group="g")
    accepted.clean(given)
    assert given.headers["timelimit"] == [300, 240]
    assert not {"eta", "shadow", "group", "stamps"} & set(given.headers)
    assert given.headers["retries"] == 0


def test_scheduled_work_has_the_long_limit(accepted):
    given = message(queue="scheduled")
    accepted.clean(given)
    assert given.headers["timelimit"] == [900, 840]


def test_the_content_of_an_event_is_not_shown(accepted):
    given = message(PUBLISH_EVENT, (1, "expense.created", {"amount": "12.00"}))
    accepted.clean(given)
    assert "12.00" not in str(given.headers)


@pytest.mark.parametrize(
    "given",
    [
        message("celery.map", ({"task": PUBLISH_EVENT}, [])),
        message("celery.chord_unlock"),
        message("worker.tasks.nothing"),
        message({"a": 1}),
        message(None),
        message(id={"a": 1}),
        message(id="../../etc"),
        message(id=None),
        message(args=()),
        message(args=(1, 2, 3)),
        message(kwargs={"__class__": 1}),
        message(embed={"callbacks": [{"task": EXECUTE}]}),
        message(embed={"chain": [{"task": EXECUTE}]}),
        message(TICK, (1,)),
        message(IMPORT_CONNECTION, ("x" * 300_000,)),
        message(content_type="application/data"),
        message(content_type=["x"]),
        message(args=(nested(900),)),
        message(PUBLISH_EVENT, (1, "expense.created", {"amount": nested(40)})),
        message(args=(Decimal(1),)),
        message(CANARY, ("another",)),
        message(CANARY, ({},)),
        SimpleNamespace(headers=None),
        SimpleNamespace(headers={"task": EXECUTE, "id": RUN_ID}, content_type="application/json", body="1", payload=1),
    ],
    ids=range(24),
)
def test_what_none_of_our_programs_sends_is_refused(accepted, given):
    with pytest.raises(RefusedMessageError):
        accepted.clean(given)


def test_a_flood_of_ticks_is_a_few_at_once_and_then_one_at_a_time():
    now_s = 0.0
    accepted = MessageFilter(TASKS, now=lambda: now_s)

    def accepted_of_a_hundred() -> int:
        count = 0
        for _ in range(100):
            with suppress(FloodError):
                accepted.clean(message(TICK, ()))
                count += 1
        return count

    # A process that just wrote a row wakes the dispatcher beside beat and others: none of these may be dropped.
    assert accepted_of_a_hundred() == 5
    now_s = 0.5
    assert accepted_of_a_hundred() == 2
    now_s = 60.0
    assert 4 <= accepted_of_a_hundred() <= 5


@pytest.mark.parametrize("expires", ["2020-01-01T00:00:00+00:00", "2099-01-01T00:00:00", "nonsense", 7, {}])
def test_no_clock_of_a_host_decides_about_a_message(accepted, expires):
    given = message(TICK, (), expires=expires)
    accepted.clean(given)
    assert "expires" not in given.headers
