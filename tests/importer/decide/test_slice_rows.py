from dataclasses import replace

import pytest

from tests.importer.decide.rows import TRUSTED, key, row, rules, transaction
from worker.importer.decide.read.line import fingerprint
from worker.importer.decide.slice_rows import StoredKeys, read_slice, set_unchanged_aside
from worker.importer.decide.stored_row import State


def said_with(external_id, text="Coffee Bar"):
    return fingerprint(transaction(text=text, external_id=external_id), TRUSTED, TRUSTED.fingerprint_salt)


KNOWN = row(external_id="a")
SPLITS = {
    "unchanged": ([said_with("a")], KNOWN, {"unchanged": 1}),
    "unchanged, and absent before": ([said_with("a")], replace(KNOWN, absent_days=1), {"rest": 1}),
    "changed": ([said_with("a", "Bar")], KNOWN, {"rest": 1}),
    "removed before": ([said_with("a")], replace(KNOWN, state=State.REMOVED), {"rest": 1}),
    "new": ([said_with("b")], KNOWN, {"rest": 1}),
    "without an id": ([said_with(None)], KNOWN, {"rest": 1}),
}


@pytest.mark.parametrize(("said", "known", "expected"), SPLITS.values(), ids=SPLITS)
def test_what_needs_no_further_look(said, known, expected):
    set_aside = set_unchanged_aside(said, {known.identity: key(known)})
    found = {"unchanged": set_aside.transactions, "rest": len(set_aside.rest)}
    assert {name: count for name, count in found.items() if count} == expected


REPEATS = {
    "equal rows under one id": (2, {}, True),
    "one row": (1, {}, False),
    "a list of changes": (2, {"list_of_changes": True}, False),
    "whole days": (2, {"whole_days": True}, False),
}


@pytest.mark.parametrize(("times", "promises", "warned"), REPEATS.values(), ids=REPEATS)
def test_repeated_ids_are_warned_of_where_nothing_explains_them(times, promises, warned):
    said = [fingerprint(transaction(external_id="a"), TRUSTED, TRUSTED.fingerprint_salt)] * times
    assert read_slice(said, StoredKeys(), TRUSTED, rules(**promises)).ids_repeated is warned
