"""An event in a message counts only when its sender signed it just now."""

import pytest

from worker.errors import InvalidRequestError
from worker.webhooks.signed_events import check_event, sign_event

KEY = "y4Tq0mS9bC2kXwVr7LzN1uHgF8pJdE5a"
EVENT = {"user_id": 1, "type": "expense.created", "data": {"amount": "1.00"}, "dedup_key": "k"}


def test_what_was_signed_just_now_counts():
    check_event(KEY, EVENT, signed_at=1000, signature=sign_event(KEY, EVENT, signed_at=1000), now_s=1299)


@pytest.mark.parametrize(
    "changed",
    [{"user_id": 2}, {"type": "expense.deleted"}, {"data": {"amount": "2.00"}}, {"dedup_key": "other"}],
)
def test_another_event_under_the_same_signature_does_not(changed):
    signature = sign_event(KEY, EVENT, signed_at=1000)
    with pytest.raises(InvalidRequestError, match="does not match"):
        check_event(KEY, EVENT | changed, signed_at=1000, signature=signature, now_s=1000)


@pytest.mark.parametrize(
    ("event", "signed_at", "signature", "now_s"),
    [
        (EVENT, 1000, None, 1000),
        (EVENT, None, "0" * 64, 1000),
        (EVENT | {"dedup_key": None}, 1000, "0" * 64, 1000),
        (EVENT, 1000, "\xe9", 1000),
        (EVENT, 1000, "\ud800", 1000),
        (EVENT, 1000, sign_event(KEY, EVENT, signed_at=1000), 1301),
        (EVENT, 1000, sign_event("", EVENT, signed_at=1000), 1000),
    ],
)
def test_nor_does_one_without_a_fresh_signature(event, signed_at, signature, now_s):
    with pytest.raises(InvalidRequestError):
        check_event(KEY, event, signed_at=signed_at, signature=signature, now_s=now_s)
