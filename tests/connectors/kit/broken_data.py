"""Connectors with one fault each in what they declare and deliver, in the order of the checks that must find them."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar
from uuid import uuid4

from pydantic import SecretStr

from tests.connectors.kit.banks import CursorConnector, PagedConnector
from worker.connectors.base import (
    Account,
    AuthState,
    AuthStatus,
    Capabilities,
    Page,
    SyncState,
    Transaction,
    Window,
)
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import ConnectorError
from worker.connectors.http import ProviderResponse


class SaysNothingOfItsFields(PagedConnector):
    class Config(ConnectorConfig):
        token: SecretStr


class DoubtsAGoodLogin(PagedConnector):
    def get_auth_status(self) -> AuthStatus:
        super().get_auth_status()
        return AuthStatus(state=AuthState.NEEDS_USER, reason="expired")


class BelievesARefusedLogin(PagedConnector):
    def get_auth_status(self) -> AuthStatus:
        return AuthStatus()


class ShowsTheWholeNumber(PagedConnector):
    def account(self, raw: dict[str, Any]) -> Account:
        return replace(super().account(raw), mask="DE02120300000000202051")


class PacksListsIntoPages(PagedConnector):
    def window(self, account_id: str, window: Window) -> Iterator[Page]:
        for page in super().window(account_id, window):
            yield replace(page, transactions=list(page.transactions))


class EatsItsRecords(PagedConnector):
    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        row = super().transaction(number, record)
        record["text"] = record["text"].upper()
        return replace(row, raw=None)


class TurnsTheSign(PagedConnector):
    def amount(self, record: dict[str, Any]) -> Decimal:
        return -super().amount(record)


class RoundsToCents(PagedConnector):
    def amount(self, record: dict[str, Any]) -> Decimal:
        return super().amount(record).quantize(Decimal("0.01"))


class TakesTheDayInUtc(PagedConnector):
    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        row = super().transaction(number, record)
        return replace(row, booking_on=row.booking_at and row.booking_at.date(), booking_at=None)


class DropsTwins(PagedConnector):
    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:
        rows = super().normalize_transactions(raw)
        return list({(row.amount, row.booking_at, row.description): row for row in rows}.values())


class OwesWhatItOwns(PagedConnector):
    def account(self, raw: dict[str, Any]) -> Account:
        return super().account(raw | {"balance": str(-Decimal(raw["balance"]))})


class MintsIds(PagedConnector):
    def external_id(self, number: int, record: dict[str, Any]) -> str | None:
        self.session = getattr(self, "session", None) or uuid4().hex
        external_id = super().external_id(number, record)
        return external_id and f"{self.session}-{external_id}"


class TellsAnotherStoryEachTime(PagedConnector):
    instances: ClassVar[Iterator[int]] = count()

    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        row = super().transaction(number, record)
        self.instance = getattr(self, "instance", None) or next(self.instances) + 1
        return replace(row, description=f"{row.description} ({self.instance})")


class CountsPlaces(PagedConnector):
    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        return replace(super().transaction(number, record), external_id=f"row-{number}", pending_external_id=None)


class HashesDayAndAmount(PagedConnector):
    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        row = super().transaction(number, record)
        return replace(row, external_id=f"{record['made_at']}/{row.amount}", pending_external_id=None)


class TakesABlankForAnId(PagedConnector):
    def external_id(self, number: int, record: dict[str, Any]) -> str | None:
        return super().external_id(number, record) or " "


class ForgetsTheLastDay(PagedConnector):
    def edges(self, window: Window) -> dict[str, str]:
        return super().edges(replace(window, to_on=window.to_on - timedelta(days=1)))


class AsksForTooLongWindows(PagedConnector):
    def windows(self, from_on: date, to_on: date) -> Iterator[Window]:
        yield Window(from_on=from_on, to_on=to_on)


class ClaimsAWholeYear(PagedConnector):
    def covered(self, window: Window) -> Window:
        return replace(window, from_on=window.to_on - timedelta(days=365))


class StopsAfterOnePage(PagedConnector):
    def window(self, account_id: str, window: Window) -> Iterator[Page]:
        yield next(super().window(account_id, window))


class TurnsInCircles(PagedConnector):
    def window(self, account_id: str, window: Window) -> Iterator[Page]:
        token: str | None = ""
        while token is not None:
            body = self.ask("transactions", account=account_id, page=token, **self.edges(window))
            yield Page(transactions=tuple(self.normalize_transactions(self.items(body, "transactions"))), covers=window)
            token = body.get("next")


class MistakesAChangeForADefect(CursorConnector):
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
        error = super().explain(answer)
        return ConnectorError("something changed") if error and error.code == "cursor_invalid" else error


class _Remembers(PagedConnector):
    """Keeps something between instances, which is what `state` and config are for."""

    kept: ClassVar[dict[int, tuple[object, dict[str, Any]]]] = {}

    @property
    def memory(self) -> dict[str, Any]:
        transport = self.context.http._transport
        return self.kept.setdefault(id(transport), (transport, {}))[1]


class GoesOnWhereItWasKilled(_Remembers):
    def window(self, account_id: str, window: Window) -> Iterator[Page]:
        done = self.memory.get(account_id, 0)
        for number, page in enumerate(super().window(account_id, window)):
            if number >= done:
                self.memory[account_id] = number
                yield page
        self.memory.pop(account_id, None)


class CallsEverythingPosted(PagedConnector):
    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        return super().transaction(number, record | {"booked_at": record["booked_at"] or record["made_at"]})


class LinksToItself(PagedConnector):
    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        return super().transaction(number, record | {"replaces": record["replaces"] and record["id"]})


class PromisesLinks(PagedConnector):
    capabilities: ClassVar[Capabilities] = replace(PagedConnector.capabilities, links_pending=True)

    def transaction(self, number: int, record: dict[str, Any]) -> Transaction:
        return super().transaction(number, record | {"replaces": None})


class NeverForgets(_Remembers):
    def normalize_transactions(self, raw: Any) -> Sequence[Transaction]:
        rows = super().normalize_transactions(raw)
        posted = {row.external_id: row for row in rows if not row.pending}
        before = self.memory.setdefault(rows[0].account_id, {}) if rows else {}
        gone = [row for found, row in before.items() if found not in posted]
        before.update(posted)
        return [*rows, *gone] if len(rows) == 1 else rows


class OverlooksRemovals(CursorConnector):
    def changes(self, body: Any) -> Page:
        return replace(super().changes(body), removed=())


class OverlooksCorrections(CursorConnector):
    def changes(self, body: Any) -> Page:
        return replace(super().changes(body), transactions=tuple(self.normalize_transactions(body["added"])))


class StartsOverEveryTime(CursorConnector):
    def start(self, state: SyncState) -> str:
        return super().start(replace(state, cursor=None))


class KeepsTheCursorToItself(CursorConnector):
    def changes(self, body: Any) -> Page:
        return replace(super().changes(body), next_cursor=None)


class BeginsAgainInSilence(PagedConnector):
    def get_transactions(self, account_id: str | None, from_date: date, to_date: date) -> Iterator[Page]:
        try:
            yield from super().get_transactions(account_id, from_date, to_date)
        except ConnectorError as error:
            if type(error) is not ConnectorError:
                raise
            yield from super().get_transactions(account_id, from_date, to_date)
