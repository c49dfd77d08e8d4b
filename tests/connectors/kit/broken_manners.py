"""Connectors with one fault each in how they meet errors and what they touch, in the order of the checks."""

import logging
import os
import socket
import time
from contextlib import suppress
from typing import Any

import httpx2

from tests.connectors.kit.banks import ROOT, PagedConnector
from worker.connectors.base import AuthStatus
from worker.connectors.errors import ConnectorError, InvalidDataError, ProviderUnavailableError, RateLimitError
from worker.connectors.http import ProviderResponse


class ForgetsHowLongToWait(PagedConnector):
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
        return RateLimitError("too fast") if answer.status == 429 else super().explain(answer)


class TakesUnpaidForABug(PagedConnector):
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
        return ConnectorError("refused") if answer.status == 402 else super().explain(answer)


class TakesAnOutageForBadData(PagedConnector):
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
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
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
        if answer.status == 302:
            token = self.config.token.get_secret_value()
            headers = {"Authorization": f"Bearer {token}"}
            self.context.http.get(answer.headers["location"], headers=headers, extensions={"endpoint": "accounts"})
        return super().explain(answer)


class IgnoresErrorsInGoodAnswers(PagedConnector):
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
        return None if answer.ok else super().explain(answer)


class Sleeps(PagedConnector):
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
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
    def explain(self, answer: ProviderResponse) -> ConnectorError | None:
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
