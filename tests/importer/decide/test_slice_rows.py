from dataclasses import replace

import pytest

from tests.importer.decide.rows import TRUSTED, key, row, transaction
from worker.importer.decide.line import fingerprint
from worker.importer.decide.slice_rows import set_unchanged_aside
from worker.importer.decide.stored_row import State


def said_with(external_id, text="Coffee Bar"):
    return fingerprint(transaction(text=text, external_id=external_id), TRUSTED, TRUSTED.fingerprint_salt)


KNOWN = row(external_id="a")
SPLITS = {
    "unchanged": ([said_with("a")], KNOWN, {"unchanged": 1}),
    "unchanged, and absent before": ([said_with("a")], replace(KNOWN, absent_days=1), {"unchanged": 1, "returned": 1}),
    "changed": ([said_with("a", "Bar")], KNOWN, {"rest": 1}),
    "removed before": ([said_with("a")], replace(KNOWN, state=State.REMOVED), {"rest": 1}),
    "new": ([said_with("b")], KNOWN, {"rest": 1}),
    "without an id": ([said_with(None)], KNOWN, {"rest": 1}),
}


@pytest.mark.parametrize(("said", "known", "expected"), SPLITS.values(), ids=SPLITS)
def test_what_needs_no_further_look(said, known, expected):
    set_aside = set_unchanged_aside(said, {known.identity: key(known)})
    found = {"unchanged": set_aside.transactions, "returned": len(set_aside.returned), "rest": len(set_aside.rest)}
    assert {name: count for name, count in found.items() if count} == expected
