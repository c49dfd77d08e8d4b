"""Profiles: each shipped one reads its own sample, and a folder of statements may bring its own."""

import json

import pytest

from tests.file.reader import read
from worker.connectors.errors import InvalidDataError
from worker.connectors.file.statement.events import day_of
from worker.connectors.file.table.profile_files import built_in_profiles, parse_profile
from worker.connectors.file.table.profile_patterns import is_quick
from worker.errors import InvalidRequestError

PROFILES = {one.name: one for one in built_in_profiles()}
OWN = """
date = "When"
amount = "How much"
description = "What"
decimal = ","
delimiter = ";"
"""


@pytest.mark.parametrize("name", PROFILES)
def test_a_shipped_profile_recognises_its_sample_and_reads_the_expected_rows(tmp_path, name):
    profile = PROFILES[name]
    assert profile.sample, "a profile carries an invented sample and its expected rows"
    (tmp_path / "sample.csv").write_text(profile.sample, encoding=profile.encoding or "utf-8")
    found = read(tmp_path / "sample.csv")
    assert any(f"profile {name}," in warning for warning in found.warnings), found.warnings
    assert not found.rejected
    facts = [(day_of(row), row.amount, row.currency, row.description, row.pending) for row in found.rows]
    assert facts == [(one.on, one.amount, one.currency, one.text, one.pending) for one in profile.expected]


def test_every_shipped_profile_is_recognised_by_more_than_three_columns_or_by_its_shape():
    thin = [one.name for one in built_in_profiles() if not one.columns and len(one.recognised_by) < 4]
    assert not thin


def test_no_shipped_profile_hides_another():
    seen = {}
    for one in built_in_profiles():
        assert seen.setdefault(frozenset(one.recognised_by), one.name) == one.name


def test_a_folder_of_statements_may_bring_its_own_profile(tmp_path):
    (tmp_path / "my-bank.toml").write_text(OWN)
    (tmp_path / "a.csv").write_text("When;What;How much\n15.01.2026;Tea;-3,20\n")
    found = read(tmp_path)
    assert [str(row.amount) for row in found.rows] == ["-3.20"]
    (tmp_path / "my-bank.toml").write_text('date = "When"\n')
    with pytest.raises(InvalidDataError, match="state either amount"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("pattern", "quick"),
    [
        ("^Summe", True),
        ("(?i)ending balance as of", True),
        (r"^[*,\s]+$", True),
        (r"^\s*Total\s*:", True),
        (r"Total \(EUR\)|[()]", True),
        ("(a+)+$", False),
        ("(?:a|a)*$", False),
        ("a?" * 30 + "a" * 30, False),
        ("a*a*a*$", False),
        ("(?i)^total.*eur.*", True),
        ("total.*:", True),
        ("a*a*b", False),
        ("^a|a*a*b", False),
        ("aa|" * 100, False),
        (r"[\]](a+)+$]", False),
        (r"\\(a+)+$", False),
        ("[^]](a+)+$]", False),
    ],
)
def test_a_pattern_that_could_take_hours_is_none(pattern, quick):
    assert is_quick(pattern) is quick
    stated = f"{OWN}footer = {json.dumps([pattern])}"
    if not quick:
        with pytest.raises(InvalidRequestError, match="give several patterns"):
            parse_profile(stated)
    else:
        assert parse_profile(stated).footer == (pattern,)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ('currency = "Betrag"', "no ISO 4217 code"),
        ('amounts = { "CAD$" = "C$" }', "either amount, or debit and credit"),
        ('footer = ["("]', "not a regular expression"),
        ('footer = ["a{99999999999}"]', "not a regular expression"),
        pytest.param(f'footer = ["{"(" * 9999}"]', "not a regular expression", id="thousands of brackets"),
        ('date_format = "%d.%d.%Y"', "a part of a date twice"),
    ],
)
def test_a_profile_that_names_what_cannot_be_is_refused(more, reason):
    with pytest.raises(InvalidRequestError, match=reason):
        parse_profile(OWN + more)
