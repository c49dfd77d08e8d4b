"""Which listed account is which stored one."""

from dataclasses import replace

import pytest

from worker.connectors.base import Account
from worker.importer.decide.accounts.match_listed import KnownAccount, match_accounts, with_own_anchors, without_repeats

KNOWN = KnownAccount(
    id=1,
    external_id="A",
    anchor="iban:X",
    name="Card",
    mask="1234",
    currency="EUR",
    account_type="unknown",
    institution_name=None,
)
NAMELESS = replace(KNOWN, anchor=None)
TWIN = replace(NAMELESS, id=2, external_id="B")
LISTED = Account(external_id="Z", name="Card", mask="1234", currency="EUR")

CASES = {
    "its id": (replace(LISTED, external_id="A", name="Renamed"), [KNOWN], 1),
    "its id, but another anchor": (replace(LISTED, external_id="A", anchor="iban:Y"), [KNOWN], None),
    "its anchor": (replace(LISTED, anchor="iban:X", name="Renamed"), [KNOWN], 1),
    "its anchor in another currency": (replace(LISTED, anchor="iban:X", currency="USD"), [KNOWN], None),
    "its anchor, no currency stated": (replace(LISTED, anchor="iban:X", currency=None), [KNOWN], 1),
    "all that a person sees": (LISTED, [NAMELESS], 1),
    "all that a person sees, twice": (LISTED, [NAMELESS, TWIN], None),
    "name without last digits": (replace(LISTED, mask=None), [replace(NAMELESS, mask=None)], None),
    "name and other last digits": (replace(LISTED, mask="9999"), [NAMELESS], None),
    "name, but two anchors": (replace(LISTED, anchor="iban:Y"), [KNOWN], None),
    "name in another currency": (replace(LISTED, currency="USD"), [NAMELESS], None),
    "nothing": (replace(LISTED, name="Savings"), [NAMELESS], None),
}


@pytest.mark.parametrize(("listed", "known", "known_id"), CASES.values(), ids=CASES)
def test_an_account_is_found_by_its_strongest_evidence(listed, known, known_id):
    (match,) = match_accounts([listed], known)
    assert match.known_id == known_id


def test_two_listed_accounts_that_look_alike_are_no_evidence():
    first, second = match_accounts([LISTED, replace(LISTED, external_id="Y")], [NAMELESS])
    assert (first.known_id, second.known_id) == (None, None)


NUMBERED = replace(KNOWN, id=2, external_id="B", name="Savings", mask="5678", anchor="iban:Y")
EXCHANGED = {
    "names and last digits": (None, None, "Savings", "5678", [2, 1]),
    "one account number": ("iban:Y", None, "Savings", None, [2, 1]),
    "both account numbers": ("iban:Y", "iban:X", "Other", None, [2, 1]),
    "the name alone": (None, None, "Savings", None, [1, 2]),
}


@pytest.mark.parametrize(("anchor", "peer_anchor", "name", "mask", "matched"), EXCHANGED.values(), ids=EXCHANGED)
def test_ids_that_changed_hands_are_seen_by_what_the_accounts_state(anchor, peer_anchor, name, mask, matched):
    known = [replace(KNOWN, anchor=KNOWN.anchor if anchor else None)]
    known.append(replace(NUMBERED, anchor=NUMBERED.anchor if anchor else None))
    one = replace(LISTED, external_id="A", name=name, mask=mask, anchor=anchor)
    other = replace(LISTED, external_id="B", mask=mask and KNOWN.mask, anchor=peer_anchor)
    assert [match.known_id for match in match_accounts([one, other], known)] == matched


def test_an_id_wins_over_an_anchor_that_another_account_states():
    by_anchor = replace(LISTED, anchor="iban:X")
    by_id = replace(LISTED, external_id="A")
    assert [match.known_id for match in match_accounts([by_anchor, by_id], [KNOWN])] == [None, 1]


def test_of_two_accounts_with_one_anchor_the_known_one_keeps_it():
    listed, doubtful = with_own_anchors(
        [replace(LISTED, anchor="iban:X"), replace(LISTED, external_id="A", anchor="iban:X")], [KNOWN]
    )
    assert [account.anchor for account in listed] == [None, "iban:X"]
    assert doubtful == {"Z": "A"}


def test_a_former_id_listed_beside_the_present_one_makes_no_account():
    known = replace(KNOWN, external_id="Z", former_external_ids=("A",))
    old, new = replace(LISTED, external_id="A"), LISTED
    assert [(match.account, match.known_id) for match in match_accounts([old, new], [known])] == [(new, 1)]


GIRO = Account(external_id="A", name="Giro", currency="EUR")
REPEATS = {
    "alike": ([GIRO, GIRO], [GIRO]),
    "the second says more": (
        [GIRO, replace(GIRO, anchor="iban:X", mask="1")],
        [replace(GIRO, anchor="iban:X", mask="1")],
    ),
    "two currencies": ([GIRO, replace(GIRO, currency="USD")], [replace(GIRO, currency="XXX")]),
    "a currency stated once": ([replace(GIRO, currency=None), GIRO], [GIRO]),
    "two ids": ([GIRO, LISTED], [GIRO, LISTED]),
}


@pytest.mark.parametrize(("listed", "accounts"), REPEATS.values(), ids=REPEATS)
def test_an_id_that_is_listed_several_times_is_one_account(listed, accounts):
    assert without_repeats(listed) == accounts
