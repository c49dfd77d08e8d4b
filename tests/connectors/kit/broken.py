"""Connectors with one fault each, in the order of the checks that must find them."""

import logging
import os
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar
from uuid import uuid4

import httpx2
from pydantic import SecretStr

from tests.connectors.kit.banks import ROOT, CursorConnector, PagedConnector
from tests.connectors.kit.broken_clock import ReadsTheClock
from worker.connectors.base import Account, AuthState, AuthStatus, Capabilities, Page, SyncState, Transaction, Window
from worker.connectors.config import ConnectorConfig
from worker.connectors.errors import ConnectorError, InvalidDataError, ProviderUnavailableError, RateLimitError
from worker.connectors.http import Answer


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
        return f"{self.session}-{super().external_id(number, record)}"


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
    def explain(self, answer: Answer) -> ConnectorError | None:
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


class ForgetsHowLongToWait(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        return RateLimitError("too fast") if answer.status == 429 else super().explain(answer)


class TakesUnpaidForABug(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        return ConnectorError("refused") if answer.status == 402 else super().explain(answer)


class TakesAnOutageForBadData(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        return InvalidDataError("odd") if answer.status == 503 else super().explain(answer)


class WaitsForEver(PagedConnector):
    def ask(self, endpoint: str, **parameters: str) -> Any:
        self.context.http.timeout = httpx2.Timeout(None)
        return super().ask(endpoint, **parameters)


class TakesGarbageForNothingNew(PagedConnector):
    def ask(self, endpoint: str, **parameters: str) -> Any:
        try:
            return super().ask(endpoint, **parameters)
        except InvalidDataError:
            return {endpoint: []}


class FollowsRedirects(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        if answer.status == 302:
            token = self.config.token.get_secret_value()
            headers = {"Authorization": f"Bearer {token}"}
            self.context.http.get(answer.headers["location"], headers=headers, extensions={"endpoint": "accounts"})
        return super().explain(answer)


class IgnoresErrorsInGoodAnswers(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        return None if answer.ok else super().explain(answer)


class Sleeps(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        if answer.status == 429:
            time.sleep(0)
        return super().explain(answer)


class AsksTheEnvironment(PagedConnector):
    def ask(self, endpoint: str, **parameters: str) -> Any:
        os.getenv("BANK_PROXY")
        return super().ask(endpoint, **parameters)


class OpensItsOwnConnection(PagedConnector):
    def get_auth_status(self) -> AuthStatus:
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", 9), timeout=1).close()
        return super().get_auth_status()


class GoesAroundTheMeter(PagedConnector):
    def get_auth_status(self) -> AuthStatus:
        status = super().get_auth_status()
        with suppress(httpx2.HTTPError):
            self.context.http.get(f"{ROOT}/accounts")
        return status


class TellsTheTokenInItsErrors(PagedConnector):
    def explain(self, answer: Answer) -> ConnectorError | None:
        if answer.status == 500:
            return ProviderUnavailableError(f"failed with {self.config.token.get_secret_value()}")
        return super().explain(answer)


class LogsTheToken(PagedConnector):
    def ask(self, endpoint: str, **parameters: str) -> Any:
        logging.getLogger(__name__).debug("asking with %s", self.config.token.get_secret_value())
        return super().ask(endpoint, **parameters)


class ShowsTheTokenInItsRepr(PagedConnector):
    def __repr__(self) -> str:
        return f"Connector({self.config.token.get_secret_value()})"


CAUGHT_BY: dict[type[PagedConnector | CursorConnector], str] = {
    SaysNothingOfItsFields: "it_declares_itself",
    DoubtsAGoodLogin: "a_good_login_is_ok",
    BelievesARefusedLogin: "a_refused_login_is_a_status",
    ShowsTheWholeNumber: "accounts_have_the_right_shape",
    PacksListsIntoPages: "pages_have_the_right_shape",
    EatsItsRecords: "normalising_is_pure",
    TurnsTheSign: "amounts_keep_their_sign_and_decimals",
    RoundsToCents: "amounts_keep_their_sign_and_decimals",
    TakesTheDayInUtc: "days_are_those_of_the_bank",
    DropsTwins: "equal_rows_on_one_day_are_all_delivered",
    OwesWhatItOwns: "balances_are_those_of_the_bank",
    MintsIds: "ids_are_the_same_in_every_delivery",
    TellsAnotherStoryEachTime: "rows_are_the_same_in_every_delivery",
    CountsPlaces: "ids_do_not_depend_on_the_order",
    HashesDayAndAmount: "ids_are_unique_in_an_account",
    ForgetsTheLastDay: "both_edges_belong_to_the_window",
    AsksForTooLongWindows: "long_windows_are_not_cut_in_silence",
    ClaimsAWholeYear: "it_covers_only_what_it_read",
    StopsAfterOnePage: "every_page_is_read",
    TurnsInCircles: "a_page_that_repeats_is_not_read_for_ever",
    MistakesAChangeForADefect: "a_change_between_pages_restarts_the_delivery",
    GoesOnWhereItWasKilled: "a_killed_delivery_starts_again_from_the_beginning",
    CallsEverythingPosted: "pending_rows_are_not_passed_off_as_posted",
    LinksToItself: "a_posted_row_takes_the_place_of_its_pending_row",
    PromisesLinks: "a_posted_row_takes_the_place_of_its_pending_row",
    NeverForgets: "a_row_taken_back_is_not_delivered_again",
    OverlooksRemovals: "a_row_taken_back_is_reported_as_removed",
    OverlooksCorrections: "a_corrected_row_is_delivered_again",
    StartsOverEveryTime: "a_cursor_brings_only_what_is_new",
    KeepsTheCursorToItself: "a_cursor_brings_only_what_is_new",
    ForgetsHowLongToWait: "rate_limits_are_said_with_their_wait",
    TakesUnpaidForABug: "refusals_ask_for_the_user",
    TakesAnOutageForBadData: "outages_are_the_providers",
    WaitsForEver: "slowness_is_bounded",
    TakesGarbageForNothingNew: "unreadable_answers_are_not_data",
    FollowsRedirects: "redirects_are_not_followed",
    IgnoresErrorsInGoodAnswers: "the_providers_own_errors_are_understood",
    Sleeps: "it_never_sleeps",
    AsksTheEnvironment: "it_reads_no_environment",
    ReadsTheClock: "it_reads_no_clock",
    OpensItsOwnConnection: "it_uses_only_the_client_it_is_given",
    GoesAroundTheMeter: "every_request_names_its_endpoint",
    TellsTheTokenInItsErrors: "secrets_stay_secret",
    LogsTheToken: "secrets_stay_secret",
    ShowsTheTokenInItsRepr: "secrets_stay_secret",
}
"""The one check that must fail for each of them, and no other."""
