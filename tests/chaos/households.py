"""People with several connections, all imported at once, while they and FinMind do other things with the same rows.

The second form of the campaign: `python -m tests.chaos.households --rounds 20 --seed 7`. Each person has two logins
that show the same accounts, two of them with equal last digits and equal rows, and a third login with a savings account
that money is moved to. The witness compares every person's expenses with the truth: lost, doubled, or unpaired.
"""

import argparse
import random
import sys
import tempfile
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy import text

from tests.chaos import witness
from tests.chaos.bank import Bank
from tests.chaos.campaign import NEVER
from tests.chaos.faults import double_messages, kill_child, stop_child, term_worker
from tests.chaos.stack import HERE, Stack
from tests.factories import delete_user
from worker.connections.lifecycle import ConnectionService, remove
from worker.connectors.registry import ConnectorRegistry
from worker.credentials import open_vault
from worker.errors import ConflictError
from worker.importer.actions.suggestions import accept, decline, list_suggestions
from worker.runs.follow_up_requests import cancel, retry_request, revert_request

SETTLE_S = 90.0
TYPED = Decimal("0.07")
"""The amount of what the person types; no row of the bank has it."""
WAYS = ("client", "by name", "clock")
_ASKED_ABOUT_ONE_ACCOUNT = (
    "SELECT s.id FROM bank_match_suggestions s JOIN bank_connection_accounts a ON a.id = s.account_id"
    " JOIN bank_connection_accounts o ON o.id = s.other_account_id"
    " WHERE s.user_id = :user_id AND a.external_id = o.external_id"
)
RULES = {name: query for name, query in NEVER.items() if name != "an expense of nobody"}


@dataclass
class Household:
    """One person, their connections by login, and what they did to the ledger themselves."""

    name: str
    user_id: int
    connections: dict[str, uuid.UUID] = field(default_factory=dict)
    typed: int = 0
    deleted: Counter[Decimal] = field(default_factory=Counter)


@dataclass
class Tally:
    """What the witness found after the latest round, and what anybody was refused by an error in all of them."""

    lost: int = 0
    doubled: int = 0
    unpaired: int = 0
    errors: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.lost or self.doubled or self.unpaired or self.errors)


class Households:
    """Works through rounds and keeps the tally."""

    def __init__(self, stack: Stack, bank: Bank, seed: int, *, people: int = 3) -> None:
        self.stack = stack
        self.bank = bank
        self.chance = random.Random(seed)
        self.tally = Tally()
        self.people = [self._move_in(f"person-{number}") for number in range(people)]
        self._amounts = iter(range(10_000, 10**9))

    def _move_in(self, name: str) -> Household:
        household = Household(name=name, user_id=self.stack.add_user(name))
        giro = {"id": f"{name}-giro", "name": "Giro", "iban": f"{name}-1"}
        cards = [{"id": f"{name}-card-{n}", "name": f"Card {n}", "mask": "1234"} for n in (1, 2, 3)]
        savings = {"id": f"{name}-savings", "name": "Savings", "iban": f"{name}-2"}
        self.bank.add_login(f"{name}.first", name, [giro, *cards[:2]])
        self.bank.add_login(f"{name}.second", name, [giro, *cards[:2]])
        self.bank.add_login(f"{name}.third", name, [savings, cards[2]])
        for login in ("first", "second", "third"):
            self._connect(household, f"{name}.{login}")
        return household

    def _connect(self, household: Household, login: str) -> None:
        household.connections[login] = self.stack.add_connection(login, user_id=household.user_id)

    def _happen(self, household: Household) -> None:
        """Let things be bought: some unique, some equal on both cards of one number, and some money moved."""
        name = household.name
        for _ in range(self.chance.randint(5, 15)):
            account = self.chance.choice(["giro", "card-1", "card-2", "card-3", "savings"])
            self.bank.book(name, f"{name}-{account}", f"-{next(self._amounts) / 100:.2f}", "Shop")
        for _ in range(5):
            amount = f"-{next(self._amounts) / 100:.2f}"
            for card in ("card-1", "card-2"):
                self.bank.book(name, f"{name}-{card}", amount, "Vending machine", day=self._day())
        for _ in range(4):
            amount, day = f"{next(self._amounts) / 100:.2f}", self._day()
            self.bank.book(name, f"{name}-giro", f"-{amount}", "To savings", day=day, peer_iban=f"{name}-2")
            self.bank.book(name, f"{name}-savings", amount, "From giro", day=day, peer_iban=f"{name}-1")

    def _day(self) -> str:
        return self.bank.today().isoformat()

    def round(self, faults: int = 0) -> None:
        """Let things happen, ask for everything at once, disturb it, and wait for the truth."""
        for household in self.people:
            self._happen(household)
        threads = [
            threading.Thread(target=self._disturb, args=(household, disturbance, self.chance.uniform(0, 1.5)))
            for household in self.people
            for disturbance in self.chance.sample(DISTURBANCES, 3)
        ]
        threads.append(threading.Thread(target=self._disturb, args=(self._newcomer(), leave, 0.8)))
        for household in self.people:
            self._ask(household)
        for thread in threads:
            thread.start()
        strikes = [
            strike
            for fault in self.chance.sample([kill_child, stop_child, term_worker, double_messages], faults)
            if (strike := fault(self.stack, self.chance)) is not None
        ]
        for thread in threads:
            thread.join(60)
        for strike in strikes:
            if strike.undo is not None:
                strike.undo()
        self._settle()
        self.tally = Tally(errors=self.tally.errors)
        for household in self.people:
            self._judge(household)

    def _newcomer(self) -> Household:
        newcomer = self._move_in(f"newcomer-{next(self._amounts)}")
        self._happen(newcomer)
        self._ask(newcomer)
        return newcomer

    def _ask(self, household: Household) -> None:
        for connection_id in list(household.connections.values()):
            self.stack.ask(connection_id, self.chance.choice(WAYS))

    def _disturb(
        self, household: Household, disturbance: "Callable[[Households, Household], None]", after_s: float
    ) -> None:
        time.sleep(after_s)  # the moment in the middle of the imports is the point of it
        try:
            with suppress(ConflictError):  # the product said no, and why
                disturbance(self, household)
        except Exception as error:  # noqa: BLE001 - whatever a person would have seen
            self.tally.errors.append(f"{disturbance.__name__}: {type(error).__name__}: {str(error).splitlines()[0]}")

    def _settle(self) -> None:
        """Wait until all is done and right, asking everybody again as their schedule would."""
        deadline_s = time.monotonic() + SETTLE_S
        while time.monotonic() < deadline_s:
            self.stack.supervise()
            if self._is_quiet():
                if not any(self._differences(household) for household in self.people):
                    return
                for household in self.people:
                    self._answer_questions(household)
                    for connection_id in household.connections.values():
                        self.stack.ask(connection_id, "clock")
            time.sleep(0.5)  # Postgres is asked twice a second

    def _answer_questions(self, household: Household) -> None:
        """Say yes to every transfer and say of two accounts what the bank's ids say; cards share their last digits.

        A transfer is asked about when the notes of its legs were written to before they met.
        """
        with self.stack.sessions() as session:
            questions = list_suggestions(session, household.user_id)
        same_accounts = {row.id for row in self.stack.rows(_ASKED_ABOUT_ONE_ACCOUNT, user_id=household.user_id)}
        for question in questions:
            if question.kind in ("transfer", "account"):
                is_so = question.kind == "transfer" or question.id in same_accounts
                with suppress(ConflictError), self.stack.sessions() as session:
                    (accept if is_so else decline)(session, question.id, user_id=household.user_id)

    def _is_quiet(self) -> bool:
        return not self.stack.rows(
            "SELECT 1 FROM bank_import_runs WHERE finished_at IS NULL"
            " UNION ALL SELECT 1 FROM bank_connections WHERE status = 'active' AND next_refresh_at <= now() LIMIT 1"
        )

    def _differences(self, household: Household) -> Counter[Decimal]:
        """Return by how much each amount is there too often (positive) or too seldom (negative)."""
        rows = self.stack.rows(
            "SELECT CASE expense_type WHEN 'INCOME' THEN amount ELSE -amount END AS amount FROM expenses"
            " WHERE user_id = :user_id",
            user_id=household.user_id,
        )
        differences = Counter(row.amount for row in rows)
        spent = [row for row in self.bank.truth[household.name] if "peer_iban" not in row]
        differences.subtract(Counter(Decimal(row["amount"]) for row in spent))
        differences.subtract(Counter({-TYPED: household.typed}))
        differences.update(household.deleted)
        return Counter({amount: times for amount, times in differences.items() if times})

    def _judge(self, household: Household) -> None:
        legs = {Decimal(row["amount"]) for row in self.bank.truth[household.name] if "peer_iban" in row}
        for amount, times in self._differences(household).items():
            if amount in legs:
                self.tally.unpaired += abs(times)
            elif times > 0:
                self.tally.doubled += times
            else:
                self.tally.lost -= times

    def broken_rules(self) -> list[str]:
        """Return what must never be true, whatever happened."""
        broken = [rule for rule, query in RULES.items() if self.stack.rows(query)]
        broken += witness.offences(self.stack.sessions)
        broken += [f"a false alarm: {line}" for line in self._false_alarms()]
        return broken + self.tally.errors

    def explained(self) -> str:
        """Return the bank's rows behind every difference, one a line."""
        lines = []
        for household in self.people:
            amounts = [abs(amount) for amount in self._differences(household)]
            rows = self.stack.rows(
                "SELECT t.id, a.connection_id, a.name, a.status, t.amount, t.state, t.expense_id, t.expense_state,"
                " t.twin_id, t.transfer_peer_id, t.first_reason, t.base_notes, e.notes,"
                " (SELECT string_agg(c.decision || ' ' || c.reason, ', ' ORDER BY c.id)"
                "  FROM bank_transaction_changes c WHERE c.transaction_id = t.id) AS changes,"
                " (SELECT string_agg(s.kind || ' ' || s.status, ', ') FROM bank_match_suggestions s"
                "  WHERE t.id IN (s.transaction_id, s.other_transaction_id)) AS questions"
                " FROM bank_transactions t JOIN bank_connection_accounts a ON a.id = t.account_id"
                " LEFT JOIN expenses e ON e.id = t.expense_id"
                " WHERE t.user_id = :user_id AND abs(t.amount) = ANY(:amounts) ORDER BY abs(t.amount), t.id",
                user_id=household.user_id,
                amounts=amounts,
            )
            lines += [f"  {household.name}: {row._asdict()}" for row in rows]
        return "\n".join(lines)

    def _false_alarms(self) -> list[str]:
        """Return log lines of a database that went away: in this campaign it never does."""
        return [line[:300] for line in self.stack.log_lines("worker") if "the database went away" in line]

    def deadlocks(self) -> int:
        """Return how many deadlocks Postgres broke."""
        return self.stack.rows("SELECT sum(deadlocks)::int AS n FROM pg_stat_database")[0].n

    def summary(self) -> str:
        """Return one line about everything."""
        rows = self.stack.rows("SELECT status, code, count(*) AS n FROM bank_import_runs GROUP BY 1, 2 ORDER BY 3 DESC")
        runs = ", ".join(f"{row.n} {row.status} ({row.code})" for row in rows)
        tally = self.tally
        return (
            f"lost {tally.lost}, doubled {tally.doubled}, unpaired {tally.unpaired}, errors {len(tally.errors)},"
            f" deadlocks broken by Postgres {self.deadlocks()}; runs: {runs}"
        )


# What people and FinMind do beside running imports -------------------------------------------------------------------


def remove_and_link_again(households: Households, household: Household) -> None:
    """Remove a connection, keeping its expenses, and connect the same login anew."""
    login = f"{household.name}.second"
    stack = households.stack
    service = ConnectionService(
        sessions=stack.sessions,
        vault=open_vault(stack.settings),
        find_connector=ConnectorRegistry().get,
        open_connector=_never_opened,
    )
    remove(service, household.connections[login], user_id=household.user_id)
    households._connect(household, login)
    stack.ask(household.connections[login], "client")


def _never_opened(*_: object) -> object:
    raise ConflictError("the bank of the suite has no authorisation to end")


def revert_a_run(households: Households, household: Household) -> None:
    """Take the latest run that created something back; the next refresh may bring its rows again."""
    _revert_latest(households, household, "created > 0")


def revert_a_revert(households: Households, household: Household) -> None:
    """Take the latest revert back, whether its rows were imported again meanwhile or not."""
    _revert_latest(households, household, "kind = 'revert' AND updated + removed > 0")


def _revert_latest(households: Households, household: Household, condition: str) -> None:
    stack = households.stack
    found = _latest_run(households, household, f"finished_at IS NOT NULL AND {condition}")
    if found is not None:
        with stack.sessions() as session:
            stack.client.request(session, revert_request(session, found, user_id=household.user_id, reimport=True))


def cancel_and_retry(households: Households, household: Household) -> None:
    """Cancel a run that waits or goes on, and ask for the latest one that fell short again."""
    stack = households.stack
    under_way = _latest_run(households, household, "finished_at IS NULL")
    if under_way is not None:
        with stack.sessions() as session:
            cancel(session, under_way, user_id=household.user_id)
    short = _latest_run(households, household, "status IN ('failed', 'partial', 'cancelled')")
    if short is not None:
        with stack.sessions() as session:
            stack.client.request(session, retry_request(session, short, user_id=household.user_id))


def _latest_run(households: Households, household: Household, condition: str) -> uuid.UUID | None:
    found = households.stack.rows(
        "SELECT id FROM bank_import_runs WHERE user_id = :user_id AND connection_id = ANY(:ids)"
        f" AND {condition} ORDER BY queued_at DESC LIMIT 1",
        user_id=household.user_id,
        ids=list(household.connections.values()),
    )
    return found[0].id if found else None


def ask_again(households: Households, household: Household) -> None:
    """Ask for everything once more, impatiently."""
    households._ask(household)
    households._ask(household)


def type_an_expense(households: Households, household: Household) -> None:
    """Write an expense as FinMind does."""
    with households.stack.sessions() as session:
        session.execute(
            text("INSERT INTO expenses (user_id, amount, currency, notes) VALUES (:user_id, :amount, 'EUR', 'cash')"),
            {"user_id": household.user_id, "amount": TYPED},
        )
    household.typed += 1


def write_notes(households: Households, household: Household) -> None:
    """Change the notes of all expenses in one statement, as a bulk edit does."""
    with households.stack.sessions() as session:
        session.execute(
            text("UPDATE expenses SET notes = coalesce(notes, '') || '!' WHERE user_id = :user_id"),
            {"user_id": household.user_id},
        )


def delete_an_expense(households: Households, household: Household) -> None:
    """Delete the expense of a purchase whose amount no other row has: neither equal ones nor the legs of transfers."""
    truth = Counter(abs(Decimal(row["amount"])) for row in households.bank.truth[household.name])
    unique = [amount for amount, times in truth.items() if times == 1]
    with households.stack.sessions() as session:
        row = session.execute(
            text(
                "DELETE FROM expenses WHERE id = (SELECT min(id) FROM expenses WHERE user_id = :user_id"
                " AND amount = ANY(:unique) AND expense_type = 'EXPENSE') RETURNING amount"
            ),
            {"user_id": household.user_id, "unique": unique},
        ).one_or_none()
    if row is not None:
        household.deleted[-row.amount] += 1


def leave(households: Households, household: Household) -> None:
    """Let the user be deleted, and with them everything that is theirs."""
    with households.stack.sessions() as session:
        delete_user(session, household.user_id)
    left = households.stack.rows("SELECT id FROM expenses WHERE user_id = :id", id=household.user_id)
    if left:
        households.tally.errors.append(f"{len(left)} expenses of a user who is gone")


DISTURBANCES = [
    remove_and_link_again,
    revert_a_run,
    revert_a_revert,
    cancel_and_retry,
    ask_again,
    type_an_expense,
    write_notes,
    delete_an_expense,
]


def main() -> int:
    parser = argparse.ArgumentParser(description="Disturb people with several connections and compare their ledgers")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    sys.path.insert(0, str(HERE / "loopbank"))
    print(f"seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="finmind-households-", ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        with Bank(options.seed) as bank, Stack(Path(directory), bank) as stack:
            households = Households(stack, bank, options.seed)
            for number in range(options.rounds):
                households.round(faults=number % 3)
                print(f"round {number + 1}: {households.summary()}", flush=True)
                if not households.tally.is_clean:
                    print(households.explained(), flush=True)
            broken = households.broken_rules()
            print(*(f"BROKEN: {rule}" for rule in broken), sep="\n")
            return 0 if households.tally.is_clean and not broken else 1


if __name__ == "__main__":
    sys.exit(main())
