"""One person's life with their banks, lived verb by verb against the real engine.

Every verb draws its choices from the random source it is given and does nothing where it does not fit, so that a life
is a list of verbs with seeds: it can be replayed, and verbs can be left out of it.
"""

import random
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import text

from tests.importer.bank import Harness
from tests.importer.simulation.person import Person, Purchase, TrueAccount
from tests.importer.simulation.provider import REACH_DAYS, Answer, Listing, Provider, SimulatedConnector, Style
from worker.bank_accounts.answers import undo_answer
from worker.bank_accounts.moving import move_account
from worker.bank_accounts.unmatching import RowMatch, unmatch
from worker.connectors.base import IdClass, Transaction
from worker.db.engine import Sessions
from worker.errors import ConflictError, InvalidRequestError, NotFoundError
from worker.importer.actions import suggestions
from worker.runs.states import Outcome, RunKind, RunStatus

GRACE_DAYS = 7
HOLD_DAYS = 30
"""A bank books a pending purchase by then, whatever it is: no hold of a card lasts longer."""


class Behaviour(StrEnum):
    """What banks and people do; each is a switch of its own."""

    MIGRATION = "all ids and texts change at once"
    LOCAL_DAYS = "days of the local zone instead of UTC"
    IDS_COME_AND_GO = "ids that are missing, blank, or come later"
    TWO_STATES = "one id pending and booked in one answer"
    LYING_ID = "one id for two purchases"
    COMPUTED_IDS = "ids computed from what rows say, the same for equal purchases"
    REPLACED_CARD = "an account with new id, name and last digits"
    EXCHANGED_IDS = "two accounts that exchange their ids"
    SHARED_ACCOUNT = "two connections with one account"
    TRANSFERS = "transfers between connections"
    EQUAL_MASKS = "two accounts with equal last digits"
    PAGE_REPEATS = "pages that repeat rows of the page before"
    STARTS_OVER = "an answer that is withdrawn and begins again"
    FUTURE_ROWS = "bookings of days to come, moved or called off"
    SIGN_FLIP = "an account whose signs flip for a while"
    WRONG_PENDING_SIGN = "pending rows with the opposite sign"
    WRONG_STATUS = "pending rows told for days beside their booking, and booked ones told as pending again"
    WRONG_BALANCE = "balances that are wrong for a while"
    PENDING_IN_BALANCE = "balances that count pending rows"
    UNLISTED_ACCOUNT = "an account missing from the list for a while"
    CUT_ANSWERS = "answers that say that something is missing"
    EDITS = "amounts the person changes"
    DELETIONS = "expenses the person deletes"
    TYPED_ROWS = "expenses the person types beside the bank's"
    LINKED_AGAIN = "a connection removed and linked anew"
    UNMATCHES = "rows of two sources that the person parts and joins again"
    MOVES = "an account that moves to its other connection and back"


VERBS: dict[Behaviour, tuple[str, ...]] = {
    Behaviour.MIGRATION: ("migrate",),
    Behaviour.LOCAL_DAYS: ("count_local_days",),
    Behaviour.IDS_COME_AND_GO: ("lose_ids", "find_ids"),
    Behaviour.TWO_STATES: ("post_in_both_states",),
    Behaviour.LYING_ID: ("lend_an_id",),
    Behaviour.COMPUTED_IDS: ("buy_the_same_again",),
    Behaviour.REPLACED_CARD: ("replace_card",),
    Behaviour.EXCHANGED_IDS: ("exchange_ids",),
    Behaviour.TRANSFERS: ("transfer",),
    Behaviour.STARTS_OVER: ("start_over",),
    Behaviour.FUTURE_ROWS: ("book_ahead", "move_a_booking", "call_off_a_booking"),
    Behaviour.SIGN_FLIP: ("flip_signs", "flip_signs", "flip_back"),
    Behaviour.WRONG_PENDING_SIGN: ("buy_with_wrong_sign",),
    Behaviour.WRONG_STATUS: ("post_and_forget", "take_back_a_booking"),
    Behaviour.WRONG_BALANCE: ("misstate_balance", "correct_balance"),
    Behaviour.UNLISTED_ACCOUNT: ("leave_out_account", "list_account_again"),
    Behaviour.CUT_ANSWERS: ("cut_answer",),
    Behaviour.EDITS: ("edit_amount",),
    Behaviour.DELETIONS: ("delete_expense",),
    Behaviour.TYPED_ROWS: ("type_what_was_bought", "type_what_is_imported"),
    Behaviour.LINKED_AGAIN: ("link_again",),
    Behaviour.UNMATCHES: ("part_twins", "part_twins", "join_twins"),
    Behaviour.MOVES: ("move_account", "move_account", "undo_move"),
}
"""The verbs that a behaviour adds to a life; the others are traits that a life begins with."""

SEVERAL_CONNECTIONS = {Behaviour.TRANSFERS, Behaviour.EQUAL_MASKS}
SHARED = {Behaviour.SHARED_ACCOUNT, Behaviour.UNMATCHES, Behaviour.MOVES}
"""Account A is listed by two connections."""


@dataclass(frozen=True, kw_only=True)
class Finished:
    """One run as it ended, and what it was told."""

    run_id: uuid.UUID
    provider: Provider
    outcome: Outcome
    answers: Sequence[Answer]

    @property
    def claims_success(self) -> bool:
        """Whether the run says that the ledger agrees with the bank."""
        return self.outcome.status == RunStatus.SUCCEEDED


class Life:
    """Lives verbs; everything random comes from the source that a verb is given."""

    def __init__(
        self, sessions: Sessions, user_id: int, behaviours: frozenset[Behaviour], chance: random.Random
    ) -> None:
        self.sessions = sessions
        self.user_id = user_id
        self.behaviours = behaviours
        self.runs: list[Finished] = []
        self.on_run: Callable[[Finished], None] = self.runs.append
        self.typed: dict[int, int] = {}
        """The purchase that an expense was typed for, by the expense's id."""
        self.parted: dict[int, int] = {}
        """The purchase whose rows were parted, by the number of the suggestion that keeps them apart."""
        self.refused: list[str] = []
        """True answers that were refused when the person gave them last."""
        self.moves: list[tuple[int, uuid.UUID]] = []
        """The moves of account A: the provider, and the run."""
        self.person = Person(accounts=self._accounts())
        self.providers: list[Provider] = []
        self.harnesses: dict[int, Harness] = {}
        for keys in self._connections():
            self._connect(chance, keys)

    def _accounts(self) -> dict[str, TrueAccount]:
        equal = Behaviour.EQUAL_MASKS in self.behaviours
        return {
            key: TrueAccount(
                key=key,
                mask="4711" if equal else f"100{number}",
                iban=f"DE0212030000{self.user_id:06d}000{number}" if key in "AB" else None,
                opening=Decimal(1000 * (number + 1)),
            )
            for number, key in enumerate("ABC")
        }

    def _connections(self) -> list[str]:
        if self.behaviours & SHARED:
            return ["AC", "AB"]
        return ["AC", "B"] if self.behaviours & SEVERAL_CONNECTIONS else ["AC"]

    def _connect(self, chance: random.Random, keys: str) -> Provider:
        wants_cursor = Behaviour.UNLISTED_ACCOUNT in self.behaviours
        style = Style.CHANGES if wants_cursor else chance.choice(list(Style))
        if self.behaviours & {Behaviour.LYING_ID, Behaviour.COMPUTED_IDS} and style == Style.CHANGES:
            style = Style.COMPLETE  # in a list of changes, another row under a known id is a correction
        wants_ids = self.behaviours & {
            Behaviour.TWO_STATES, Behaviour.LYING_ID, Behaviour.IDS_COME_AND_GO, Behaviour.COMPUTED_IDS
        }  # fmt: skip
        stable = style == Style.CHANGES or wants_ids
        number = len(self.providers)
        provider = Provider(
            number=number,
            person=self.person,
            style=style,
            id_class=IdClass.STABLE if stable else chance.choice(list(IdClass)),
            listings={
                key: Listing(external_id=f"{number}-{key}", name=f"Account {key}", mask=self.person.accounts[key].mask)
                for key in keys
            },
            counts_pending=Behaviour.PENDING_IN_BALANCE in self.behaviours,
            repeats_rows=Behaviour.PAGE_REPEATS in self.behaviours,
            computes_ids=Behaviour.COMPUTED_IDS in self.behaviours,
        )
        self.providers.append(provider)
        self.harnesses[number] = Harness(self.sessions, self.user_id)
        return provider

    @property
    def connected(self) -> list[Provider]:
        """Return the providers that are linked now."""
        return [provider for provider in self.providers if provider.number in self.harnesses]

    # Choices --------------------------------------------------------------------------------------------------------

    def _provider(self, chance: random.Random) -> Provider:
        return chance.choice(self.connected)

    def _account(self, chance: random.Random) -> str:
        return chance.choice(sorted({key for provider in self.connected for key in provider.listings}))

    def _pick(self, chance: random.Random, fits: Callable[[Purchase], bool]) -> Purchase | None:
        """Choose among the purchases that banks may still change."""
        oldest = self.person.today - timedelta(days=REACH_DAYS)
        fitting = [purchase for purchase in self.person.standing() if purchase.on >= oldest and fits(purchase)]
        return chance.choice(fitting) if fitting else None

    # What happens in every life -------------------------------------------------------------------------------------

    def buy(self, chance: random.Random) -> None:
        self.person.buy(chance, self._account(chance))

    def post(self, chance: random.Random) -> None:
        """Book a pending purchase: maybe with a tip, another day, another id."""
        purchase = self._pick(chance, lambda p: p.pending)
        if purchase is not None:
            self._post(chance, purchase, new_id=chance.random() < 0.4)

    def _post(self, chance: random.Random, purchase: Purchase, *, new_id: bool) -> None:
        purchase.pending = False
        if not purchase.common and chance.random() < 0.25:
            purchase.amount = (purchase.amount * Decimal("1.15")).quantize(Decimal("0.01"))
        purchase.on = min(purchase.on + timedelta(days=chance.randrange(3)), self.person.today)
        if new_id:
            for provider in self.providers:
                provider.new_ids[purchase.number] = provider.new_ids.get(purchase.number, 0) + 1

    def call_off(self, chance: random.Random) -> None:
        purchase = self._pick(chance, lambda p: p.pending and not p.common)
        if purchase is not None:
            purchase.called_off = True

    def let_days_pass(self, chance: random.Random) -> None:
        self.days(chance.choice([1, 1, 2, 3, 8]))

    def days(self, days: int) -> None:
        """Let days pass, for the banks and for the rows that wait for days to pass."""
        self.person.today += timedelta(days=days)
        for purchase in self.person.standing():
            purchase.pending = purchase.pending and (self.person.today - purchase.on).days < HOLD_DAYS
        self.sql(
            f"UPDATE bank_transactions SET absent_since_at = absent_since_at - interval '{days} days'"
            " WHERE user_id = :user_id AND absent_since_at IS NOT NULL"
        )

    def refresh(self, chance: random.Random) -> None:
        self.read(self._provider(chance))

    def refresh_all(self, _chance: random.Random | None = None) -> None:
        for provider in self.connected:
            self.read(provider)

    # What single behaviours add -------------------------------------------------------------------------------------

    def migrate(self, chance: random.Random) -> None:
        self._provider(chance).generation += 1

    def count_local_days(self, chance: random.Random) -> None:
        self._provider(chance).local_days = True

    def lose_ids(self, chance: random.Random) -> None:
        provider = self._provider(chance)
        provider.without_id |= {p.number for p in self.person.standing() if chance.random() < 0.5}

    def find_ids(self, chance: random.Random) -> None:
        provider = self._provider(chance)
        provider.without_id -= {number for number in sorted(provider.without_id) if chance.random() < 0.5}

    def post_in_both_states(self, chance: random.Random) -> None:
        purchase = self._pick(chance, lambda p: p.pending)
        if purchase is not None:
            purchase.pending = False
            for provider in self.connected:
                provider.both_states.add(purchase.number)

    def lend_an_id(self, chance: random.Random) -> None:
        """Tell a new purchase under the id of another one.

        In a list of changes that would be a change of the other one, and nothing could tell.
        """
        owner = self._pick(chance, lambda p: not p.pending)
        if owner is not None:
            borrower = self.person.buy(chance, owner.account, pending=False)
            for provider in self.connected:
                if owner.number not in provider.lent_ids and provider.style != Style.CHANGES:
                    provider.lent_ids[borrower.number] = owner.number

    def buy_the_same_again(self, chance: random.Random) -> None:
        """Buy what was bought before on the same day, at the same merchant, for as much."""
        before = self._pick(chance, lambda p: not p.pending and p.other_leg is None)
        if before is not None and not before.deleted and before.own_amount is None:
            again = self.person.buy(chance, before.account, pending=False)
            again.merchant, again.amount, again.on, again.late = before.merchant, before.amount, before.on, before.late
            before.common = again.common = True

    def replace_card(self, chance: random.Random) -> None:
        """Give account C, which has no IBAN, a new number: all that a bank states of it changes, and the ids too."""
        provider = self._provider(chance)
        if "C" in provider.listings:
            number = chance.randrange(2000, 9999)
            self.person.accounts["C"].mask = str(number)
            provider.listings["C"] = Listing(
                external_id=f"{provider.number}-C-{number}", name=f"Card {number}", mask=str(number)
            )

    def exchange_ids(self, chance: random.Random) -> None:
        """Give each of two accounts of a bank the id of the other one, maybe with its name and last digits."""
        provider = self._provider(chance)
        if len(provider.listings) == 2:
            (one, its), (other, others) = provider.listings.items()
            if chance.random() < 0.5:
                its, others = replace(others, external_id=its.external_id), replace(its, external_id=others.external_id)
            provider.listings |= {one: others, other: its}

    def transfer(self, chance: random.Random) -> None:
        keys = sorted({key for provider in self.connected for key in provider.listings} & set("AB"))
        if len(keys) == 2:
            self.person.transfer(chance, *chance.sample(keys, 2))

    def start_over(self, chance: random.Random) -> None:
        self._provider(chance).starts_over = True

    def book_ahead(self, chance: random.Random) -> None:
        self.person.buy(chance, self._account(chance), days_ahead=chance.randrange(1, 20), pending=False)

    def move_a_booking(self, chance: random.Random) -> None:
        purchase = self._pick(chance, lambda p: p.on > self.person.today)
        if purchase is not None:
            purchase.on = self.person.today + timedelta(days=chance.randrange(6))

    def call_off_a_booking(self, chance: random.Random) -> None:
        purchase = self._pick(chance, lambda p: p.on > self.person.today and not p.common)
        if purchase is not None:
            purchase.called_off = True

    def flip_signs(self, chance: random.Random) -> None:
        """Flip the signs of an account whose rows are known; nothing could tell that a first answer is flipped."""
        provider = self._provider(chance)
        known = [key for key in sorted(provider.listings) if provider.knows(key)]
        provider.flipped |= {chance.choice(known)} if known else set()

    def flip_back(self, _chance: random.Random) -> None:
        for provider in self.connected:
            provider.flipped.clear()

    def buy_with_wrong_sign(self, chance: random.Random) -> None:
        purchase = self.person.buy(chance, self._account(chance), pending=True)
        for provider in self.connected:
            provider.wrong_sign.add(purchase.number)

    def take_back_a_booking(self, chance: random.Random) -> None:
        """Tell a booked purchase as pending again, as a bank does that called it booked too early."""
        purchase = self._pick(chance, lambda p: not p.pending and p.on <= self.person.today)
        if purchase is not None and (self.person.today - purchase.on).days < HOLD_DAYS:
            purchase.pending = True

    def post_and_forget(self, chance: random.Random) -> None:
        """Book a pending purchase under a new id, and go on telling the pending row."""
        purchase = self._pick(chance, lambda p: p.pending and not p.common)
        provider = self._provider(chance)
        if purchase is not None and purchase.account in provider.listings:
            provider.forgotten[purchase.number] = self._pending_row(provider, purchase)
            self._post(chance, purchase, new_id=True)

    @staticmethod
    def _pending_row(provider: Provider, purchase: Purchase) -> Transaction:
        return provider.row(purchase, 0, pending=True)

    def misstate_balance(self, chance: random.Random) -> None:
        """State a wrong balance, but never the first one: nothing could tell that it is wrong."""
        provider = self._provider(chance)
        if provider.deliveries:
            provider.balance_error = Decimal(chance.randrange(1, 5000)) / 100

    def correct_balance(self, _chance: random.Random) -> None:
        for provider in self.connected:
            provider.balance_error = Decimal(0)

    def leave_out_account(self, chance: random.Random) -> None:
        provider = self._provider(chance)
        if len(provider.listings) > 1:
            provider.unlisted = {chance.choice(sorted(provider.listings))}

    def list_account_again(self, _chance: random.Random) -> None:
        for provider in self.connected:
            provider.unlisted.clear()

    def cut_answer(self, chance: random.Random) -> None:
        self._provider(chance).cut = True

    def edit_amount(self, chance: random.Random) -> None:
        purchase = self._pick(chance, lambda p: self._is_editable(p) and p.own_amount is None)
        expense_id = None if purchase is None else self._expense_of(purchase)
        if purchase is not None and expense_id is not None:
            purchase.own_amount = Decimal("7.77").copy_sign(purchase.amount)
            self.sql("UPDATE expenses SET amount = 7.77 WHERE id = :id", id=expense_id)

    def delete_expense(self, chance: random.Random) -> None:
        purchase = self._pick(chance, self._is_editable)
        expense_id = None if purchase is None else self._expense_of(purchase)
        if purchase is not None and expense_id is not None:
            purchase.deleted = True
            self.sql("DELETE FROM expenses WHERE id = :id", id=expense_id)

    @staticmethod
    def _is_editable(purchase: Purchase) -> bool:
        return not (purchase.common or purchase.deleted or purchase.typed or purchase.other_leg is not None)

    def _expense_of(self, purchase: Purchase) -> int | None:
        rows = self.sql(
            "SELECT expense_id FROM bank_transactions WHERE user_id = :user_id AND expense_id IS NOT NULL"
            " AND (raw ->> 'purchase')::int = :number AND amount = :amount",
            number=purchase.number,
            amount=purchase.amount,
        )
        return rows[0].expense_id if len(rows) == 1 else None

    def type_what_was_bought(self, chance: random.Random) -> None:
        """Type an expense before any bank tells of the purchase."""
        purchase = self.person.buy(chance, self._account(chance), pending=False)
        if not purchase.common:
            self._type(purchase)

    def type_what_is_imported(self, chance: random.Random) -> None:
        purchase = self._pick(chance, self._is_editable)
        if purchase is not None and self._expense_of(purchase) is not None and not purchase.pending:
            self._type(purchase)

    def _type(self, purchase: Purchase) -> None:
        purchase.typed = True
        kind = "INCOME" if purchase.amount > 0 else "EXPENSE"
        ((expense_id,),) = self.sql(
            "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
            " VALUES (:user_id, :amount, 'EUR', :kind, :notes, :on) RETURNING id",
            amount=abs(purchase.amount),
            kind=kind,
            notes=purchase.merchant,
            on=purchase.on,
        )
        self.typed[expense_id] = purchase.number

    def link_again(self, chance: random.Random) -> None:
        """Remove a connection, keeping its expenses, and add one to the same accounts, whose ids are all new.

        What is pending is booked before, for nobody would hear whether it was called off.
        """
        old = self._provider(chance)
        for purchase in self.person.standing():
            purchase.pending = False
        self.read(old)
        harness = self.harnesses.pop(old.number)
        harness.sql(
            "UPDATE bank_connections SET status = 'disconnected', config_encrypted = NULL, config_key_id = NULL"
            " WHERE id = :id",
            id=harness.connection_id,
        )
        new = self._connect(chance, "".join(old.listings))
        new.generation = old.generation + 10

    def part_twins(self, chance: random.Random) -> None:
        """Say that the rows of a booked purchase at two sources are two purchases."""
        purchase = self._pick(chance, lambda p: self._is_editable(p) and not p.pending and not p.parted)
        twins = [] if purchase is None or purchase.own_amount is not None else self._twins_of(purchase)
        if purchase is not None and len(twins) == 1:
            with self.sessions() as session:
                undone = unmatch(session, twins[0], user_id=self.user_id, match=RowMatch.TWIN)
            purchase.parted = True
            self.parted[undone.suggestion_id] = purchase.number

    def _twins_of(self, purchase: Purchase) -> list[int]:
        rows = self.sql(
            "SELECT t.id FROM bank_transactions t JOIN bank_transactions o ON o.id = t.twin_id"
            " WHERE t.user_id = :user_id AND t.expense_state = 'twin' AND t.state = 'posted' AND o.state = 'posted'"
            " AND o.expense_id IS NOT NULL AND t.amount = :amount AND o.amount = :amount",
            amount=purchase.amount,
        )
        return [row.id for row in rows]

    def join_twins(self, chance: random.Random) -> None:
        """Take back that two rows are two purchases."""
        if self.parted:
            suggestion_id = chance.choice(sorted(self.parted))
            try:
                with self.sessions() as session:
                    undo_answer(session, suggestion_id, user_id=self.user_id)
            except (ConflictError, NotFoundError):
                return
            self.person.purchases[self.parted.pop(suggestion_id)].parted = False

    def move_account(self, chance: random.Random) -> None:
        """Move account A to one of the connections that list it."""
        provider = self._provider(chance)
        harness = self.harnesses[provider.number]
        accounts = self.sql(
            "SELECT bank_account_id FROM bank_connection_accounts WHERE connection_id = :id AND anchor = :anchor"
            " AND bank_account_id IS NOT NULL",
            id=harness.connection_id,
            anchor=f"iban:{self.person.accounts['A'].iban}",
        )
        try:
            with self.sessions() as session:
                for (account_id,) in accounts:
                    report = move_account(session, account_id, harness.connection_id, user_id=self.user_id)
                    assert report.run_id is not None
                    self.moves.append((provider.number, report.run_id))
        except ConflictError:
            pass  # no other source, or nothing says which one is meant

    def undo_move(self, _chance: random.Random) -> None:
        """Take the last move back."""
        if self.moves:
            number, run_id = self.moves.pop()
            try:
                if number in self.harnesses:
                    self.harnesses[number].run(RunKind.REVERT, target_run_id=run_id)
            except InvalidRequestError:
                pass  # a later move went to a connection that is gone

    # Reading and answering ------------------------------------------------------------------------------------------

    def read(self, provider: Provider) -> Finished:
        """Refresh one connection and hand the finished run to whom it may concern."""
        harness = self.harnesses[provider.number]
        provider.prepare(harness.bank)
        connector = SimulatedConnector(harness.bank, provider)
        harness.connector = lambda: connector
        outcome = harness.refresh()
        finished = Finished(run_id=harness.run_id, provider=provider, outcome=outcome, answers=connector.answers)
        self.on_run(finished)
        return finished

    def settle(self) -> None:
        """End what is passing, read everything until nothing waits any more, and answer the questions truthfully."""
        self.flip_back(random.Random(0))
        self.correct_balance(random.Random(0))
        self.list_account_again(random.Random(0))
        for provider in self.connected:
            provider.forgotten.clear()
            for number in sorted(provider.wrong_sign):
                self.person.purchases[number].pending = False
        for days in (0, GRACE_DAYS + 1, 21, 1):
            self.days(days)
            self.refresh_all()
            self._answer_questions()
            self._replay_repeated_ids()

    def _replay_repeated_ids(self) -> None:
        """Say of rows that were told several times under one id that each is a purchase of its own."""
        for provider in self.connected:
            harness = self.harnesses[provider.number]
            runs = self.sql(
                "SELECT DISTINCT run_id FROM bank_import_rejections WHERE connection_id = :id AND code = 'id_repeated'"
                " AND resolved_at IS NULL",
                id=harness.connection_id,
            )
            for (run_id,) in runs:
                harness.run(RunKind.REPLAY, target_run_id=run_id)

    def _answer_questions(self) -> None:
        self.refused.clear()
        with self.sessions() as session:
            questions = suggestions.list_suggestions(session, self.user_id)
        for question in questions:
            answer = self._answer(question)
            if answer is not None:
                try:
                    with self.sessions() as session:
                        answer(session, question.id, user_id=self.user_id)
                except ConflictError as error:
                    self.refused.append(f"{answer.__name__} {question.kind} {question.reason}: {error}")

    def _answer(self, question: suggestions.SuggestionView) -> Callable[..., None] | None:
        match question.kind:
            case "expense":
                told = self._purchase_of_line(question.bank["transaction_id"])
                other = self.typed.get(question.other["expense_id"])
                return suggestions.accept if told == other else suggestions.decline
            case "transfer":
                told = self._purchase_of_line(question.bank["transaction_id"])
                other = self._purchase_of_line(question.other["transaction_id"])
                is_pair = self.person.purchases[told].other_leg == other
                return suggestions.accept if is_pair else suggestions.decline
            case "twin":
                told = self._purchase_of_line(question.bank["transaction_id"])
                other = self._purchase_of_line(question.other["transaction_id"])
                return suggestions.accept if told == other else suggestions.decline
            case "withdrawn":
                told = self._purchase_of_line(question.bank["transaction_id"])
                gone = self.person.purchases[told].called_off or self._lines_of(told) > 1
                return suggestions.accept if gone else suggestions.decline
            case "account":
                ((one, other),) = self.sql(
                    "SELECT a.external_id, o.external_id FROM bank_match_suggestions s"
                    " JOIN bank_connection_accounts a ON a.id = s.account_id"
                    " JOIN bank_connection_accounts o ON o.id = s.other_account_id WHERE s.id = :id",
                    id=question.id,
                )
                keys = {external_id: key for p in self.providers for external_id, key in p.keys.items()}
                is_so = question.other.get("exchanged") or keys.get(one) == keys.get(other)
                return suggestions.accept if is_so else suggestions.decline
        return None

    def _lines_of(self, number: int) -> int:
        """Return how many rows with an expense a purchase has."""
        ((lines,),) = self.sql(
            "SELECT count(*) FROM bank_transactions WHERE user_id = :user_id AND expense_id IS NOT NULL"
            " AND state <> 'removed' AND (raw ->> 'purchase')::int = :number",
            number=number,
        )
        return lines

    def _purchase_of_line(self, transaction_id: int) -> int:
        ((number,),) = self.sql(
            "SELECT (raw ->> 'purchase')::int FROM bank_transactions WHERE id = :id", id=transaction_id
        )
        return number

    def sql(self, statement: str, **values: object) -> list:
        """Run a statement; `:user_id` is the person's."""
        with self.sessions() as session:
            result = session.execute(text(statement), {"user_id": self.user_id} | values)
            return list(result.all()) if result.returns_rows else []


EVERYDAY_VERBS = (
    "buy", "buy", "buy", "post", "post", "call_off", "let_days_pass", "let_days_pass", "refresh", "refresh_all",
)  # fmt: skip
"""The verbs of every life, the frequent ones several times."""
