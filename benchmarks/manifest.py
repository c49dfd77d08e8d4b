"""What a row costs through a manifest and through the class somebody wrote by hand for the same bank.

    python -m benchmarks.manifest [--rows 100000]

Both read the same pages of 500 rows, which a transport in this process hands out ready-made.
"""

import argparse
import json
import time
from datetime import UTC, date, datetime, timedelta
from statistics import median

import httpx2

from benchmarks.results import print_and_keep
from tests.connectors.kit.banks import TOKEN, PagedConnector
from tests.connectors.manifest.banks import PAGED
from worker.connectors.base import BankConnector, ConnectorContext
from worker.connectors.config import parse_config
from worker.connectors.manifest.connector import make_connector
from worker.connectors.manifest.loading import parse_manifest

PAGE_SIZE, ROUNDS = 500, 7
NOW = datetime(2026, 5, 19, 14, 30, tzinfo=UTC)


def pages(rows: int) -> list[bytes]:
    """Return the bank's answers, one for each page."""
    found = []
    for start in range(0, rows, PAGE_SIZE):
        records = [record(number) for number in range(start, min(start + PAGE_SIZE, rows))]
        following = str(start + PAGE_SIZE) if start + PAGE_SIZE < rows else None
        found.append(json.dumps({"transactions": records, "next": following}).encode())
    return found


def record(number: int) -> dict[str, object]:
    """Return one row as the bank writes it."""
    at = (NOW - timedelta(minutes=number % 80_000)).isoformat()
    return {
        "id": f"entry-{number:07}", "account": "account-eur", "amount": f"-{number % 900}.25", "currency": "EUR",
        "text": f"Card payment Corner Shop {number}", "booked_at": at, "made_at": at, "replaces": None,
    }  # fmt: skip


class Bank:
    """Hands out the pages in order; accounts are asked for in between."""

    def __init__(self, answers: list[bytes]) -> None:
        self._answers = answers

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request."""
        if request.url.path == "/accounts":
            account = {"id": "account-eur", "name": "Account", "currency": "EUR", "balance": "0"}
            return httpx2.Response(200, json={"accounts": [account]})
        return httpx2.Response(200, content=self._answers[int(request.url.params["page"] or 0) // PAGE_SIZE])


def seconds(connector: type[BankConnector], bank: Bank, rows: int) -> float:
    """Return how long one delivery of a window takes."""
    with httpx2.Client(transport=httpx2.MockTransport(bank)) as http:
        context = ConnectorContext(http=http, now=lambda: NOW)
        opened = connector(parse_config(connector, {"token": TOKEN}), context)
        started_s = time.process_time()
        read = sum(len(page.transactions) for page in opened.get_transactions("account-eur", WINDOW[0], WINDOW[1]))
        elapsed_s = time.process_time() - started_s
    assert read == rows, (read, rows)
    return elapsed_s


WINDOW = (date(2026, 3, 1), date(2026, 5, 19))


def measure(rows: int) -> dict[str, float]:
    """Measure both in turns, so that a busy moment of the machine meets both."""
    bank = Bank(pages(rows))
    by_hand, by_manifest = PagedConnector, make_connector(parse_manifest(PAGED, "paged.toml"))
    times: dict[type[BankConnector], list[float]] = {by_hand: [], by_manifest: []}
    for _ in range(ROUNDS):
        for connector, measured in times.items():
            measured.append(seconds(connector, bank, rows))
    hand_s, manifest_s = (min(times[connector]) for connector in (by_hand, by_manifest))
    ratios = [two / one for one, two in zip(times[by_hand], times[by_manifest], strict=True)]
    return {
        "rows": rows,
        "by_hand_us_per_row": round(hand_s / rows * 1e6, 2),
        "by_manifest_us_per_row": round(manifest_s / rows * 1e6, 2),
        "ratio": round(manifest_s / hand_s, 3),
        "median_ratio": round(median(ratios), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    figures = measure(parser.parse_args().rows)
    print_and_keep("manifest", figures)


if __name__ == "__main__":
    main()
