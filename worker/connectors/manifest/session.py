"""One connection's way to its provider: requests filled and sent with the login, lists followed page by page."""

from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import BaseModel

from worker.connectors.base import ConnectorContext, QuotaReading
from worker.connectors.errors import InvalidDataError
from worker.connectors.http import ProviderResponse
from worker.connectors.manifest.authentication import Login, values_of
from worker.connectors.manifest.login import BaseUrls, host_of
from worker.connectors.manifest.model import Manifest
from worker.connectors.manifest.paging import Pager
from worker.connectors.manifest.plan import ManifestPlan
from worker.connectors.manifest.records import records_of
from worker.connectors.manifest.refusals import NothingListedError
from worker.connectors.manifest.request_filling import Question, Values, ask, fill
from worker.connectors.manifest.requests import ListRequest, ManifestRequest


class ProviderSession:
    """What a connector asks its provider with. One for each connector; it keeps what was renewed.

    Attributes:
        hosts: the only hosts it reaches.
        zone: the zone of the bank's days.
        now: the current moment (UTC).
    """

    def __init__(self, plan: ManifestPlan, config: BaseModel, context: ConnectorContext) -> None:
        self.plan = plan
        self._base_url = base_url_of(plan.manifest, config)
        self.hosts = hosts_of(plan.manifest, self._base_url)
        self.zone = ZoneInfo(context.timezone)
        self.now = context.now
        self._login = Login(plan.manifest.auth, config, context, self._base_url, plan.refusal)
        self._readings: list[QuotaReading] = []

    @property
    def config(self) -> BaseModel:
        """The config with what was renewed."""
        return self._login.config

    def link(self) -> BaseModel:
        """Exchange the code that a person returned with, once; return the config with the tokens."""
        return self._login.link()

    def send(self, question: Question) -> ProviderResponse:
        """Ask with the login, and note what the answer says about allowances. Raises: ConnectorError."""
        if host_of(question.url) not in self.hosts:
            raise InvalidDataError(f"{question.endpoint}: this host is not declared")
        answer = self._login.send(question)
        reading = self._reading(question, answer)
        if reading is not None:
            self._readings.append(reading)
        return answer

    def question(self, request: ManifestRequest, values: Values, account_id: str | None = None) -> Question:
        """Fill a request with the config's values and these."""
        return ask(self._base_url, request, {**self._login.values(), **values}, account_id)

    def lists(
        self, request: ListRequest, values: Values, account_id: str | None = None
    ) -> Iterator[tuple[list[Any], Any]]:
        """Yield the records of every page of a list, with the answer that holds them. Raises: ConnectorError."""
        pager = Pager(request.paging, self.hosts)
        question: Question | None = self.question(request, values, account_id)
        while question is not None:
            try:
                answer = self.send(question)
            except NothingListedError:
                return
            records = records_of(answer.body, request.records, request.name, single=request.single)
            yield records, answer.body
            question = pager.after(question, answer, records)

    def public_values(self) -> Mapping[str, str | None]:
        """Return the config's values that are no secrets."""
        config = self.plan.manifest.config
        return {
            name: value for name, value in self._login.values().items() if name in config and not config[name].secret
        }

    def take_readings(self) -> tuple[QuotaReading, ...]:
        """Return what answers said about allowances since this was last asked."""
        taken, self._readings = tuple(self._readings), []
        return taken

    def _reading(self, question: Question, answer: ProviderResponse) -> QuotaReading | None:
        declared = self.plan.manifest.limits.headers
        if declared is None:
            return None
        limit, remaining, resets_in_s = (
            _whole_number(answer.headers.get(name)) if name else None
            for name in (declared.limit, declared.remaining, declared.resets_in_s)
        )
        if limit is None and remaining is None:
            return None
        return QuotaReading(
            endpoint=question.endpoint,
            limit=limit,
            remaining=remaining,
            resets_in_s=resets_in_s,
            account_id=question.account_id,
        )


def base_url_of(manifest: Manifest, config: BaseModel) -> str:
    """Return the address of the API for a config."""
    declared, values = manifest.base_url, values_of(config)
    if isinstance(declared, BaseUrls):
        return declared.chosen(values)
    return fill(declared, values) or ""


def hosts_of(manifest: Manifest, base_url: str) -> frozenset[str]:
    """Return the only hosts that may be reached."""
    return frozenset({host_of(base_url), *manifest.hosts})


def _whole_number(text: str | None) -> int | None:
    try:
        return max(0, int(text)) if text else None
    except ValueError:
        return None
