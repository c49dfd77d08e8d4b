"""Durations are read as people write them; one that nobody can mean is refused."""

from datetime import timedelta

import pytest

from worker.cli.arguments import read_interval
from worker.errors import InvalidRequestError


@pytest.mark.parametrize(
    ("written", "meant"),
    [("30m", timedelta(minutes=30)), ("006h", timedelta(hours=6)), ("36525d", timedelta(days=36525)), ("never", None)],
)
def test_a_duration_is_read(written, meant):
    assert read_interval(written) == meant


@pytest.mark.parametrize("written", ["99999999999d", "5000000000d", "36526d", "9" * 5000 + "m"])
def test_a_duration_beyond_a_hundred_years_is_refused(written):
    with pytest.raises(InvalidRequestError, match="longer than a hundred years"):
        read_interval(written)


@pytest.mark.parametrize("written", ["", "6", "-1d", "1.5h", "²d", "6 h", "d"])
def test_what_is_no_duration_is_refused(written):
    with pytest.raises(InvalidRequestError, match="is not an interval"):
        read_interval(written)
