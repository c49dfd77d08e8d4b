"""The truth of one person's money: accounts, purchases, transfers, and what the person did to the ledger."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

START = date(2026, 3, 1)
MERCHANTS = ("Baker Street Bread", "Kiosk am Ring", "Shell Station", "Trattoria Luigi", "Old Town Books")
COMMON_AMOUNTS = ("-3.50", "-20.00", "-63.20", "12.00")
"""Amounts that several purchases share, as coffees do; all other amounts of a life are unique."""


@dataclass(kw_only=True)
class TrueAccount:
    """An account as it is, whatever the banks call it.

    Attributes:
        key: Its name in the simulation.
        iban: None where no bank states one.
    """

    key: str
    mask: str
    iban: str | None
    opening: Decimal


@dataclass(kw_only=True)
class Purchase:
    """One movement of money.

    Attributes:
        on: The day of the purchase in UTC.
        late: Bought soon after midnight in UTC, so that the local day is the one before.
        common: Other purchases may have this amount.
        called_off: The bank took it back.
        other_leg: The number of the other side, if it is a transfer.
        deleted: The person deleted its expense.
        own_amount: What the person wrote instead of the amount.
        typed: The person typed an expense for it, too.
        parted: The person said that the rows of its two sources are two purchases.
    """

    number: int
    account: str
    merchant: str
    amount: Decimal
    on: date
    pending: bool = False
    late: bool = False
    common: bool = False
    called_off: bool = False
    other_leg: int | None = None
    deleted: bool = False
    own_amount: Decimal | None = None
    typed: bool = False
    parted: bool = False


@dataclass(kw_only=True)
class Person:
    """One person, their accounts and everything they bought."""

    accounts: dict[str, TrueAccount]
    today: date = START
    purchases: list[Purchase] = field(default_factory=list)

    def buy(self, chance: random.Random, account: str, *, days_ahead: int = 0, pending: bool | None = None) -> Purchase:
        """Buy something in an account today, or some days ahead."""
        common = chance.random() < 0.25
        amount = Decimal(chance.choice(COMMON_AMOUNTS)) if common else self._unique_amount(chance)
        purchase = Purchase(
            number=len(self.purchases),
            account=account,
            merchant=chance.choice(MERCHANTS),
            amount=amount,
            on=self.today + timedelta(days=days_ahead),
            pending=chance.random() < 0.5 if pending is None else pending,
            late=chance.random() < 0.5,
            common=common,
        )
        self.purchases.append(purchase)
        return purchase

    def transfer(self, chance: random.Random, source: str, target: str) -> None:
        """Move money from one account to another."""
        sent = self.buy(chance, source, pending=False)
        sent.amount, sent.common = -abs(self._unique_amount(chance)), False
        received = Purchase(
            number=len(self.purchases),
            account=target,
            merchant=sent.merchant,
            amount=-sent.amount,
            on=sent.on,
            other_leg=sent.number,
        )
        sent.other_leg = received.number
        self.purchases.append(received)

    def _unique_amount(self, chance: random.Random) -> Decimal:
        taken = {abs(purchase.amount) for purchase in self.purchases}
        while True:
            amount = Decimal(chance.randrange(10_001, 99_999)) / 100
            if amount not in taken:
                return amount if chance.random() < 0.15 else -amount

    def standing(self, account: str | None = None) -> Iterator[Purchase]:
        """Yield what the banks still hold, of one account or of all."""
        for purchase in self.purchases:
            if not purchase.called_off and account in (None, purchase.account):
                yield purchase

    def balance(self, account: str, *, pending: bool = False) -> Decimal:
        """Return what is really in an account, with or without its pending rows."""
        return self.accounts[account].opening + sum(
            (p.amount for p in self.standing(account) if p.on <= self.today and (pending or not p.pending)), Decimal(0)
        )

    def owed(self, accounts: frozenset[str]) -> list[Decimal]:
        """Return the amounts that the ledger must hold when these accounts are imported."""
        return [
            purchase.own_amount if purchase.own_amount is not None else purchase.amount
            for purchase in self.standing()
            if purchase.account in accounts and not purchase.deleted and not self._is_paired(purchase, accounts)
            for _ in range(2 if purchase.parted else 1)
        ]

    def _is_paired(self, purchase: Purchase, accounts: frozenset[str]) -> bool:
        return purchase.other_leg is not None and self.purchases[purchase.other_leg].account in accounts
