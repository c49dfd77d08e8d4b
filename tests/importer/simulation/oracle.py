"""Judges a ledger and the statements of its runs against the truth and against what the banks said."""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from tests.importer.simulation.life import Finished, Life
from tests.importer.simulation.provider import Style


class Fault(StrEnum):
    """What can be wrong.

    The first five are about the settled ledger, the others about what runs say.
    """

    LOST = "a purchase without an expense"
    DOUBLED = "a purchase with two expenses"
    WRONG_SIGN = "a purchase with the opposite sign"
    UNPAIRED = "a transfer as spending and income"
    RESURRECTED = "an expense that the person deleted"
    FALSE_SUCCESS = "a run that succeeded although the bank said otherwise"
    FALSE_ALARM = "a run that did not succeed although all is well"
    CRASH = "a run that ends in a defect"
    REFUSED = "a true answer of the person that is refused"
    UNACCOUNTED = "a run that does not account for all rows it was told"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong, and where."""

    fault: Fault
    detail: str

    def __str__(self) -> str:
        return f"{self.fault}: {self.detail}"


@dataclass(kw_only=True)
class Figures:
    """How much of the truth the ledgers hold, and how often runs said rightly how they ended."""

    owed: int = 0
    held: int = 0
    right: int = 0
    runs: int = 0
    runs_wrong: int = 0
    runs_wrong_and_said: int = 0
    runs_said: int = 0

    def add(self, other: "Figures") -> None:
        for name in vars(self):
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def __str__(self) -> str:
        return (
            f"expenses: recall {_share(self.right, self.owed)}, precision {_share(self.right, self.held)};"
            f" runs with a visible difference that said so: {self.runs_wrong_and_said} of {self.runs_wrong};"
            f" runs that said something: {self.runs_said} of {self.runs}"
        )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.4f}" if whole else "-"


class Oracle:
    """Listens to the runs of a life and keeps what is wrong with them."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.findings: list[Finding] = []
        self.figures = Figures()
        life.on_run = self.judge_run

    def judge_run(self, finished: Finished) -> None:
        """Compare one run's claims with what it was told and with what the ledger holds now."""
        differences = [*self._differences(finished), *self._broken_proofs(finished)]
        self.figures.runs += 1
        self.figures.runs_said += not finished.claims_success
        self.figures.runs_wrong += bool(differences)
        self.figures.runs_wrong_and_said += bool(differences) and not finished.claims_success
        if differences and finished.claims_success:
            self.find(Fault.FALSE_SUCCESS, f"connection {finished.provider.number}: {'; '.join(differences)}")
        self._judge_conservation(finished)

    def judge_settled(self) -> None:
        """Compare the expenses with the truth, once nothing passing is left."""
        life = self.life
        told = frozenset(key for provider in life.providers for key in provider.listings)
        owed = Counter(abs(amount).copy_sign(amount) for amount in life.person.owed(told))
        held = Counter(self._expenses())
        right = owed & held
        self.figures.owed += owed.total()
        self.figures.held += held.total()
        self.figures.right += right.total()
        self._judge_amounts(missing=owed - held, extra=held - owed)
        for refusal in life.refused:
            self.find(Fault.REFUSED, refusal)
        unhappy = [run for provider in life.connected if not (run := life.read(provider)).claims_success]
        if owed == held:
            for run in unhappy:
                message = f"{run.outcome.status} {run.outcome.code}: {run.outcome.message}"
                self.find(Fault.FALSE_ALARM, f"connection {run.provider.number}: {message}")
        elif not unhappy and not self._is_asked():
            self.find(Fault.FALSE_SUCCESS, "the settled ledger is wrong and nobody says so")

    def _judge_amounts(self, *, missing: Counter[Decimal], extra: Counter[Decimal]) -> None:
        purchases = self.life.person.purchases
        deleted = {purchase.amount for purchase in purchases if purchase.deleted}
        legs = {purchase.amount for purchase in purchases if purchase.other_leg is not None}
        for amount in extra.elements():
            if missing[-amount] > 0:
                missing[-amount] -= 1
                self.find(Fault.WRONG_SIGN, f"{amount}")
            elif amount in legs:
                self.find(Fault.UNPAIRED, f"{amount}")
            elif amount in deleted:
                self.find(Fault.RESURRECTED, f"{amount}")
            else:
                self.find(Fault.DOUBLED, f"{amount}")
        for amount in (+missing).elements():
            self.find(Fault.LOST, f"{amount}")

    def _expenses(self) -> list[Decimal]:
        rows = self.life.sql(
            "SELECT CASE expense_type WHEN 'INCOME' THEN amount ELSE -amount END FROM expenses WHERE user_id = :user_id"
        )
        return [amount for (amount,) in rows]

    def _is_asked(self) -> bool:
        """Say whether a question to the person is open."""
        return bool(
            self.life.sql("SELECT 1 FROM bank_match_suggestions WHERE user_id = :user_id AND status = 'open' LIMIT 1")
        )

    def _differences(self, finished: Finished) -> list[str]:
        """Return where the ledger differs from the answers of this run."""
        differences = []
        for answer in finished.answers:
            told: dict[str, dict[int, Decimal]] = {}
            for row in sorted(answer.standing, key=lambda row: not row.pending):
                key = finished.provider.keys[row.account_id]
                assert row.raw is not None
                told.setdefault(key, {})[row.raw["purchase"]] = row.amount
            for key, amounts in told.items():
                lines = self._lines(finished, key)
                missing = Counter(amounts.values()) - Counter(amount for amount, _, _ in lines)
                if missing:
                    differences.append(f"told of {_listed(missing)} and not stored, account {key}")
                if answer.covers is not None and finished.provider.style == Style.COMPLETE:
                    stored = Counter(a for a, day, state in lines if state == "posted" and day in answer.covers)
                    if ghosts := stored - Counter(amounts.values()):
                        differences.append(f"stored {_listed(ghosts)} that the bank does not have, account {key}")
        return differences

    def _lines(self, finished: Finished, key: str) -> list:
        names = [external_id for external_id, owner in finished.provider.keys.items() if owner == key]
        return self.life.sql(
            "SELECT t.amount, coalesce(t.stated_on, t.effective_on), t.state FROM bank_transactions t"
            " JOIN bank_connection_accounts a ON a.id = t.account_id"
            " JOIN bank_import_runs r ON r.connection_id = a.connection_id"
            " WHERE r.id = :run_id AND a.external_id = ANY(:names) AND t.state <> 'removed'",
            run_id=finished.run_id,
            names=names,
        )

    def _broken_proofs(self, finished: Finished) -> list[str]:
        rows = self.life.sql(
            "SELECT a.external_id, p.balance_proof ->> 'difference' FROM bank_import_run_accounts p"
            " JOIN bank_connection_accounts a ON a.id = p.account_id"
            " WHERE p.run_id = :run_id AND p.balance_proof ->> 'result' = 'mismatch'",
            run_id=finished.run_id,
        )
        return [f"the balance of {name} differs by {difference}" for name, difference in rows]

    def _judge_conservation(self, finished: Finished) -> None:
        counts = finished.outcome.counts
        told = sum(len(answer.rows) for answer in finished.answers)
        if counts.fetched != told:
            self.find(Fault.UNACCOUNTED, f"{told} rows told, {counts.fetched} on record")

    def judge_crash(self, error: Exception) -> None:
        """Note that a run raised what no run should."""
        self.find(Fault.CRASH, f"{type(error).__name__}: {str(error).splitlines()[0]}")

    def find(self, fault: Fault, detail: str) -> None:
        self.findings.append(Finding(fault=fault, detail=detail))


def _listed(amounts: Counter[Decimal]) -> str:
    return ", ".join(f"{amount}" for amount in sorted(amounts.elements()))
