"""Records that correct others: what is left out, and what a person has to do."""

import pytest

from worker.connectors.file.ofx.corrections import why_left_out, why_rejected

PAYMENT = {"FITID": "A-1"}
REPLACEMENT = {"FITID": "A-2", "CORRECTFITID": "A-1", "CORRECTACTION": "REPLACE"}
DELETION = {"FITID": "A-2", "CORRECTFITID": "A-1", "CORRECTACTION": "delete"}
CHANGED_IN_PLACE = {"FITID": "A-1", "CORRECTFITID": "A-1", "CORRECTACTION": "REPLACE"}
HERE, ELSEWHERE = frozenset({"A-1"}), frozenset()


@pytest.mark.parametrize(
    ("values", "corrected", "left_out"),
    [
        (PAYMENT, ELSEWHERE, None),
        (PAYMENT, HERE, "a record that another one of the file corrects"),
        (REPLACEMENT, HERE, None),
        (DELETION, HERE, "a record that deletes another one"),
        (CHANGED_IN_PLACE, HERE, None),
        (DELETION, ELSEWHERE, None),
    ],
    ids=["no correction", "corrected", "replaces", "deletes", "replaces itself", "deletes one of another file"],
)
def test_of_a_correction_within_the_file_what_counts_is_read(values, corrected, left_out):
    assert why_left_out(values, corrected) == left_out


@pytest.mark.parametrize(
    ("values", "corrected", "begins"),
    [
        (PAYMENT, ELSEWHERE, None),
        (REPLACEMENT, HERE, None),
        (REPLACEMENT, ELSEWHERE, "replaces record A-1, which"),
        (DELETION, ELSEWHERE, "deletes record A-1, which"),
        ({"FITID": "A-2", "CORRECTFITID": "A-1"}, ELSEWHERE, "corrects record A-1, which"),
        ({"CORRECTFITID": "9" * 50}, ELSEWHERE, f"corrects record {'9' * 40}, which"),
    ],
    ids=["no correction", "its record is here", "replaces", "deletes", "states no action", "a long number is cut"],
)
def test_a_correction_of_a_record_of_another_file_says_what_to_do(values, corrected, begins):
    reason = why_rejected(values, corrected)
    assert reason is None if begins is None else reason.startswith(begins)
