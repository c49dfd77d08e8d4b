"""Composes what a run and its accounts say to a person: what is wrong, and what to do. Pure.

The message of an error is the first line of its class's docstring (`worker.errors`).
"""

from collections.abc import Iterable

from worker.importer.decide.balances.proof import BalanceProof
from worker.runs.states import Counts

_LONGEST = 1000
_ABOUT_REJECTIONS = "look at the run's rejections, then replay or dismiss them"

_EXPLAINED = {
    "row_doubled": ", which is one row that is there twice",
    "row_removed": ", which is a row that the bank took back",
    "sign_of_one_row": ", which is twice a row whose sign may be wrong",
    "days_not_counted": ", which is what the last days' rows are: the bank may not count them yet",
    "signs_of_all_rows": ", which is what inverted signs would make",
}


def of_accounts(reasons: Iterable[tuple[int | None, str]]) -> str:
    """Return the message of a run: a reason for each account by its id, or for the connection where there is none."""
    named = (reason if account_id is None else f"account {account_id}: {reason}" for account_id, reason in reasons)
    return "; ".join(named)[:_LONGEST]


def unaccounted(counts: Counts) -> str:
    """Say that delivered rows got lost, which is a defect of the importer."""
    return f"{counts.delivered - counts.accounted} of {counts.delivered} rows are not accounted for: report it"


def told_again(rows: int) -> str:
    """Say that rows may be known ones or more equal purchases."""
    return (
        f"{rows} rows equal known ones, and are those or more purchases:"
        " the next run reads everything again and counts them"
    )


def rejected(rows: int) -> str:
    """Say that rows could not be imported."""
    return f"{rows} rows could not be imported: {_ABOUT_REJECTIONS}"


def of_no_account(rows: int) -> str:
    """Say that rows belong to no account that the bank lists."""
    return f"{rows} rows belong to no account that the bank lists: {_ABOUT_REJECTIONS}"


def left_out(rows: int) -> str:
    """Say that a person left rejected rows out."""
    return f"{rows} rejected rows were left out by a person"


def mismatch(proof: BalanceProof) -> str:
    """Say by how much a balance differs from the rows, and what to do."""
    # A worker of a newer version, during an upgrade, may have written an explanation that this one does not know.
    explained = _EXPLAINED.get(proof.explanation.code, "") if proof.explanation else ""
    return (
        f"the bank's balance differs from the rows by {proof.difference} since {proof.since_on}{explained}:"
        " compare the account's rows with a statement of the bank"
    )


def withdrawn(rows: int) -> str:
    """Say that the bank's answers come without rows that stand."""
    return (
        f"{rows} rows are no longer in the bank's answers: compare them with a statement of the"
        " bank, and accept the suggestion to remove them or decline it"
    )


def still_pending(rows: int) -> str:
    """Say that the user is asked about pending rows."""
    return (
        f"{rows} pending rows may be booked or called off, delivered beside a booking or for"
        " long: accept the suggestion that they are, or decline it"
    )


def in_assumed_currency(rows: int) -> str:
    """Say that expenses are in a currency that the bank contradicts."""
    return (
        f"{rows} expenses are in a currency that was assumed, and the bank states another one:"
        " correct their currency, for the bank gives these days no more"
    )
