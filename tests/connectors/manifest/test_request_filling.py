"""Requests filled with values: edges of windows across changes of clocks, links that lead elsewhere, missing values."""

from datetime import UTC, date, datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.base import Window
from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.request_filling import Edges, Question, ask, fill, pieces
from worker.connectors.manifest.requests import DayWindow, ManifestRequest

WINDOW = Window(from_on=date(2026, 10, 25), to_on=date(2026, 10, 26))  # clocks of Berlin go back in its first night
DAYS = st.dates(date(2000, 1, 1), date(2040, 1, 1))


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ({}, ("2026-10-25", "2026-10-26")),
        ({"to": "exclusive"}, ("2026-10-25", "2026-10-27")),
        ({"from": "exclusive"}, ("2026-10-24", "2026-10-26")),
        ({"format": "%d/%m/%Y"}, ("25/10/2026", "26/10/2026")),
        ({"format": "moment"}, ("2026-10-24T22:00:00Z", "2026-10-26T22:59:59Z")),
        ({"format": "moment", "to": "exclusive"}, ("2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z")),
        ({"format": "moment_ms", "from": "exclusive"}, ("2026-10-24T21:59:59.999Z", "2026-10-26T22:59:59.999Z")),
        ({"format": "unix_s", "to": "exclusive"}, ("1792879200", "1793055600")),
        ({"format": "unix_ms"}, ("1792879200000", "1793055599999")),
        ({"zone": "UTC"}, ("2026-10-24", "2026-10-26")),
    ],
)
def test_both_days_of_a_window_belong_to_it_however_its_edges_are_written(said, written):
    edges = Edges(said=DayWindow.model_validate(said), zone=ZoneInfo("Europe/Berlin"))
    assert tuple(edges.values(WINDOW).values()) == written


@given(st.tuples(DAYS, DAYS).map(sorted), st.none() | st.integers(1, 400))
def test_pieces_of_a_window_are_it_without_holes_or_overlaps(days, longest):
    window = Window(from_on=days[0], to_on=days[1])
    found = list(pieces(window, longest))
    assert found[0].to_on == window.to_on
    assert found[-1].from_on == window.from_on
    assert all((two.to_on - one.from_on).days == -1 for one, two in pairwise(found))
    assert all(longest is None or (one.to_on - one.from_on).days < longest for one in found)


@given(st.text(max_size=20) | st.sampled_from(["..", ".", "../..", "/etc", "a?b=c", "#"]))
def test_no_value_breaks_out_of_its_place_in_a_path(value):
    request = ManifestRequest(name="r", path="/accounts/{account}/rows", params={"q": "{account}"})
    question = ask("https://bank.test/v1", request, {"account": value})
    assert question.url.startswith("https://bank.test/v1/accounts/")
    assert question.url.count("/") == 6
    assert question.params == (("q", value),)


def test_a_value_is_put_in_as_it_is_and_never_read_for_names_again():
    assert fill("{a} {b}", {"a": "{b}", "b": "2"}) == "{b} 2"


def test_a_parameter_with_a_value_that_is_not_known_is_left_out():
    request = ManifestRequest(name="r", path="/r", params={"a": "{a}", "b": True, "c": ("x", "y")}, json={"d": "{a}"})
    question = ask("https://bank.test", request, {"a": None})
    assert (question.params, question.json) == ((("b", "true"), ("c", "x"), ("c", "y")), {})


QUESTION = Question(method="GET", url="https://bank.test/v1/rows", endpoint="rows", params=(("from", "1"),))
HOSTS = frozenset({"bank.test"})


@pytest.mark.parametrize(
    ("link", "url", "params"),
    [
        ("https://bank.test/v1/rows?page=2", "https://bank.test/v1/rows", (("page", "2"),)),
        ("/v2/rows?page=2&x=", "https://bank.test/v2/rows", (("page", "2"), ("x", ""))),
        ("?page=2", "https://bank.test/v1/rows", (("page", "2"),)),
        ("page=2&limit=5", "https://bank.test/v1/rows", (("page", "2"), ("limit", "5"))),
    ],
)
def test_a_link_leads_to_the_next_page(link, url, params):
    following = QUESTION.at(link, HOSTS)
    assert (following.url, following.params) == (url, params)


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.test/v1/rows",
        "//evil.test/rows",
        "http://bank.test/v1/rows",
        "https://bank.test@evil.test/rows",
        "https://bank.test.evil.test/",
        "file:///etc/passwd",
        "https://[bank.test/v1/rows",
    ],
)
def test_a_link_to_another_host_or_without_tls_is_an_error(link):
    with pytest.raises(InvalidDataError):
        QUESTION.at(link, HOSTS)


def test_a_moment_is_written_in_the_format_of_the_window():
    edges = Edges(said=DayWindow(format="moment_ms"), zone=ZoneInfo("Europe/Berlin"))
    assert edges.moment(datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC)) == "2026-01-02T03:04:05.678Z"
