"""What becomes of a slice as if nothing were stored: what is kept of it is tested with stories of first imports."""

import pytest

from tests.importer.decide.rows import COMPLETE, TRUSTED, UNTRUSTED, rules, transaction
from worker.importer.decide.as_new import decide_as_new
from worker.importer.decide.evidence import Evidence
from worker.importer.decide.read.line import fingerprint
from worker.importer.decide.slice_rows import StoredKeys, read_slice


@pytest.mark.parametrize("context", [TRUSTED, UNTRUSTED])
def test_every_row_is_new_and_equal_purchases_are_as_many(context):
    said = [transaction("-3.50", "Bar", external_id=id_) for id_ in "ab"]
    delivered = [fingerprint(one, context, context.fingerprint_salt) for one in said]
    rows = read_slice(delivered, StoredKeys(), context, rules())
    decided = decide_as_new(rows, COMPLETE, context, rules(), only_changes=False)
    assert [create.line for create in decided.plan.creates] == list(rows.lines)
    assert len({create.identity for create in decided.plan.creates}) == len(said)
    assert (decided.full.by_id, decided.evidence) == ({}, Evidence(coverage=COMPLETE))
