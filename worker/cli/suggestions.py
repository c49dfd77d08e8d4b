"""`finmind-worker suggestions`: list, accept and decline matches that are left to a person, and take answers back."""

from dataclasses import asdict
from typing import Annotated, Any

import typer

from worker.bank_accounts.answers import undo_answer
from worker.cli.database import clear_finmind_cache, database
from worker.cli.output import JsonFlag, print_rows, say
from worker.importer.actions.suggestions import SuggestionView, accept, decline, list_suggestions

app = typer.Typer(no_args_is_help=True, help="Matches the importer left to a person: list, accept, decline, undo.")

UserOption = Annotated[int, typer.Option("--user", metavar="ID", help="Whose suggestions.")]
SuggestionId = Annotated[int, typer.Argument(metavar="SUGGESTION", help="Number of the suggestion.")]

_COLUMNS = ("id", "kind", "reason", "on", "amount", "currency", "bank_says", "may_be")


@app.command("list")
def list_(*, user: UserOption, as_json: JsonFlag = False) -> None:
    """List open suggestions, oldest first: what the bank says, and what it may be."""
    with database() as sessions, sessions() as session:
        found = list_suggestions(session, user)
    rows = [asdict(view) if as_json else _row(view) for view in found]
    print_rows(rows, _COLUMNS, as_json=as_json, empty="no open suggestions")


@app.command("accept")
def accept_(suggestion: SuggestionId, *, user: UserOption) -> None:
    """Say yes: the two are one (an expense, a transfer, an account), take a category, remove a row, trust a balance."""
    with database() as sessions, sessions() as session:
        months = accept(session, suggestion, user_id=user)
    clear_finmind_cache(user, months)
    say(f"accepted {suggestion}")


@app.command("decline")
def decline_(suggestion: SuggestionId, *, user: UserOption) -> None:
    """Say no: both stay as they are, or a withdrawn row is kept, and the suggestion does not come back."""
    with database() as sessions, sessions() as session:
        decline(session, suggestion, user_id=user)
    say(f"declined {suggestion}")


@app.command("undo")
def undo(suggestion: SuggestionId, *, user: UserOption) -> None:
    """Take an answer back: what was accepted is parted again, and the question is open again."""
    with database() as sessions, sessions() as session:
        months = undo_answer(session, suggestion, user_id=user)
    clear_finmind_cache(user, months)
    say(f"undone {suggestion}")


def _row(view: SuggestionView) -> dict[str, Any]:
    return {
        "id": view.id,
        "kind": view.kind,
        "reason": view.reason,
        "on": view.bank["on"],
        "amount": view.bank["amount"],
        "currency": view.bank["currency"],
        "bank_says": view.bank["description"] or view.bank["account"],
        "may_be": _other(view),
    }


def _other(view: SuggestionView) -> str:
    other = view.other
    if view.kind == "category":
        return f"category {other.get('category_id')}"
    if view.kind == "withdrawn":
        return "gone: the bank's answers come without it"
    if view.kind == "balance":
        return f"right from {other['balance_on']} on: {other['balance']}, {other['difference']} more than the rows say"
    said = f"{other['on'] or ''} {other['description'] or other['account'] or ''}".strip()
    kept = [f"{cost['amount']} {cost['currency']} of it stay spent" for cost in other["costs"]]
    evidence = "; ".join([*other.get("evidence", ()), *kept])
    return f"{said}: {evidence}" if evidence else said
