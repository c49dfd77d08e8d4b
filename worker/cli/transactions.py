"""`finmind-worker transactions`: the story of one row, and taking back what it was matched with."""

from typing import Annotated

import typer

from worker.bank_accounts.row_story import story_of
from worker.bank_accounts.unmatching import RowMatch, unmatch
from worker.cli.database import clear_finmind_cache, database
from worker.cli.output import JsonFlag, print_json, print_record, print_rows, say

app = typer.Typer(no_args_is_help=True, help="Rows of banks: show the story of one, take back one match.")

UserOption = Annotated[int, typer.Option("--user", metavar="ID", help="Whose row.")]
TransactionId = Annotated[int, typer.Argument(metavar="TRANSACTION", help="Number of the row.")]

_SOURCES = ("source", "connector_name", "on", "amount", "description", "expense_state", "transaction_id")
_HISTORY = ("at", "decision", "reason", "run_id")


@app.command("show")
def show(transaction: TransactionId, *, user: UserOption, as_json: JsonFlag = False) -> None:
    """Show a row: what each source states of it, every decision about it, and what can be taken back."""
    with database() as sessions, sessions() as session:
        story = story_of(session, transaction, user_id=user)
    if as_json:
        print_json(story)
        return
    lists = {"confirmed_by", "history", "kept_apart", "matches"}
    print_record({name: value for name, value in story.items() if name not in lists}, as_json=False)
    say("\nconfirmed by")
    print_rows(story["confirmed_by"], _SOURCES, as_json=False, empty="no source")
    say("\nhistory")
    print_rows(story["history"], _HISTORY, as_json=False, empty="nothing")
    for match in story["matches"]:
        say(f"\nto take back: finmind-worker transactions unmatch {transaction} --user {user} --match {match}")


@app.command("unmatch")
def unmatch_(
    transaction: TransactionId,
    *,
    user: UserOption,
    match: Annotated[
        RowMatch | None, typer.Option("--match", help="Which decision, where the row has several.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Take one decision back: a linked expense, a twin, a transfer, or a row that took another's place."""
    with database() as sessions, sessions() as session:
        undone = unmatch(session, transaction, user_id=user, match=match)
    clear_finmind_cache(user, undone.months)
    if as_json:
        print_json(
            {"run_id": str(undone.run_id), "match": undone.match, "suggestion_id": undone.suggestion_id,
             "transaction_ids": undone.transaction_ids}
        )  # fmt: skip
        return
    say(f"unmatched {transaction} ({undone.match}); run {undone.run_id}")
    say(f"to match them again: finmind-worker suggestions undo {undone.suggestion_id} --user {user}")
