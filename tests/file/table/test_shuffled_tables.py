"""Invented tables with shuffled columns and names nobody knows: each is read right or asked about, never read wrong."""

from datetime import date, timedelta
from decimal import Decimal
from random import Random

from worker.connectors.errors import InvalidDataError

TABLES = 150
MONEY = (["amount"], ["amount", "after"], ["out", "in"], ["out", "in", "after"], ["amount", "before", "after"])
BESIDE = ("count", "currency", "number", "price", "quantity", "state", "zero")


def invented(chance):
    """Return the rows of a statement: day, amount, balance behind it, text."""
    on, balance, rows = date(2026, 1, 5), Decimal(chance.randint(0, 500_000)) / 100, []
    for _ in range(chance.randint(2, 12)):
        on += timedelta(days=chance.choice([0, 0, 1, 2, 5]))
        amount = Decimal(chance.choice([-1, -1, 1]) * chance.randint(50, 99_999)) / 100
        balance += amount
        rows.append((on, amount, balance, chance.choice(["Cafe Mia", "Acme Works", "Kiosk am Eck"])))
    return rows[:: chance.choice([1, -1])]


def cell(column, place, row, chance):
    on, amount, balance, text = row
    return {
        "day": on.isoformat(),
        "text": text,
        "amount": f"{amount:.2f}",
        "after": f"{balance:.2f}",
        "before": f"{balance - amount:.2f}",
        "out": f"{-amount:.2f}" if amount < 0 else "",
        "in": f"{amount:.2f}" if amount > 0 else "",
        "count": str(place + 1),
        "currency": "EUR",
        "number": "DE89370400440532013000",
        "price": f"{chance.randint(100, 99_999) / 100:.2f}",
        "quantity": str(1 + place % 3),
        "state": "XYZ",
        "zero": "0.00",
    }[column]


def test_no_table_is_read_with_other_amounts_or_days_than_it_has(reading):
    chance, right = Random(20261129), 0
    for _ in range(TABLES):
        rows = invented(chance)
        columns = ["day", "text", *chance.choice(MONEY), *chance.sample(BESIDE, chance.randint(0, 3))]
        chance.shuffle(columns)
        names = [[f"x{one}" for one in columns]] if chance.random() < 0.5 else []
        lines = names + [[cell(one, place, row, chance) for one in columns] for place, row in enumerate(rows)]
        content = "\n".join(";".join(line) for line in lines) + "\n"
        try:
            found = reading(content)
        except InvalidDataError:
            continue
        assert sorted((row.booking_on, row.amount) for row in found.rows) == sorted(row[:2] for row in rows), content
        right += 1
    assert right > TABLES / 3
