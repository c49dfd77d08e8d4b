"""Whose turn it is, as a table."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from worker.runs.dispatching.dispatch_order import REDISPATCH_LEASES, DispatchLimits, DueCandidate, UnderWay, choose

START = datetime(2026, 1, 1, tzinfo=UTC)
NOTHING = UnderWay(by_user=Counter(), by_connector=Counter(), published=0)


def candidates(*names):
    """Return candidates in due order from names such as `1a`: user 1 through connector a."""
    return [
        DueCandidate(user_id=int(name[0]), connector_name=name[1], ready_at=START + timedelta(seconds=place))
        for place, name in enumerate(names)
    ]


def limits(**values):
    return DispatchLimits(**({"ahead": 100, "per_user": 100, "per_connector": 100, "redispatch_s": 60} | values))


@pytest.mark.parametrize(
    ("due", "bounds", "under_way", "chosen"),
    [
        pytest.param("1a 2a 3a", {}, NOTHING, "1a 2a 3a", id="due order"),
        pytest.param("1a 1a 1a 2a", {}, NOTHING, "1a 2a 1a 1a", id="everybody's first run comes first"),
        pytest.param("1a 1a 1a 2a", {"ahead": 2}, NOTHING, "1a 2a", id="no more than may be ahead"),
        pytest.param("1a 1a 1a 2a", {"per_user": 2}, NOTHING, "1a 2a 1a", id="no more than a user may have"),
        pytest.param("1a 2a 3a 4b", {"per_connector": 2}, NOTHING, "1a 2a 4b", id="no more than a connector may have"),
        pytest.param(
            "1a 2a 3b",
            {"per_user": 2, "per_connector": 3, "ahead": 3},
            UnderWay(by_user=Counter({1: 2, 2: 1}), by_connector=Counter({"a": 2}), published=1),
            "3b 2a",
            id="what is under way counts",
        ),
        pytest.param(
            "1a", {"ahead": 3}, UnderWay(by_user=Counter(), by_connector=Counter(), published=7), "", id="none is free"
        ),
    ],
)
def test_turns(due, bounds, under_way, chosen):
    found = choose(candidates(*due.split()), under_way, limits(**bounds))
    assert [f"{one.user_id}{one.connector_name}" for one in found] == chosen.split()


@pytest.mark.parametrize(
    ("of_connector", "published", "is_full"),
    [
        pytest.param(1, 1, False, id="a place is free"),
        pytest.param(2, 0, True, id="a connector has all that it may have"),
        pytest.param(0, 3, True, id="as many are published as may be"),
    ],
)
def test_a_dispatcher_goes_on_looking_while_a_limit_is_reached(of_connector, published, is_full):
    busy = UnderWay(by_user=Counter(), by_connector=Counter({"a": of_connector, "b": 0}), published=published)
    assert busy.is_at_a_limit(limits(per_connector=2, ahead=3)) is is_full


def test_a_published_run_is_published_again_only_after_a_worker_could_have_lost_its_lease():
    limits = DispatchLimits.of(per_user=1, per_connector=1, lease_s=60)
    assert limits.redispatch_s == REDISPATCH_LEASES * 60 > 60
