"""The file of a recording: one run's request, config, answers and decisions, all scrubbed. Pure."""

import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from typing import Any

from pydantic import BaseModel

from worker.connectors.base import BankConnector
from worker.connectors.json_answers import read_json
from worker.credentials.config import revealed
from worker.errors import InvalidRequestError
from worker.recordings.exchange import RecordedExchange
from worker.recordings.scrub import Scrubber
from worker.recordings.vocabulary import counts_of, vocabulary_of

FORMAT = "finmind-recording-1"
_MANY_BYTES = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """What the run was asked to do, as `RunRequest` has it."""

    kind: str
    account_external_id: str | None = None
    from_on: date | None = None
    to_on: date | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class RecordedDecision:
    """What was decided about one row.

    Attributes:
        account: The bank's id of it.
        amount: As plain digits.
    """

    account: str
    on: str
    amount: str
    currency: str
    decision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """One run.

    Attributes:
        now: When it began (UTC); the clock of a replay stands there.
        timezone: Of the bank's days.
        options: The policies of the connection.
        currency: The user's.
        config: The connector's, with made-up credentials.
        outcome: Status, code and counts of the run.
    """

    connector: str
    worker: str
    now: datetime
    timezone: str
    request: RecordedRequest
    options: Mapping[str, Any]
    currency: str
    config: Mapping[str, Any]
    exchanges: Sequence[RecordedExchange]
    outcome: Mapping[str, Any]
    decisions: Sequence[RecordedDecision] = field(default_factory=tuple)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRun:
    """A run as it was, before it is scrubbed. Fields as `Recording` has them."""

    connector: type[BankConnector]
    worker: str
    now: datetime
    timezone: str
    request: RecordedRequest
    options: Mapping[str, Any]
    currency: str
    config: BaseModel
    exchanges: Sequence[RecordedExchange]
    outcome: Mapping[str, Any]
    decisions: Sequence[Mapping[str, Any]]


def scrubbed(run: RecordedRun, key: bytes) -> Recording:
    """Return the recording of a run.

    Args:
        key: The secret of the connection's recordings.
    """
    scrubber = Scrubber(key, vocabulary_of(run.connector), counts_of(run.connector))
    request = run.request
    return Recording(
        connector=run.connector.name,
        worker=run.worker,
        now=scrubber.moment(run.now),
        timezone=run.timezone,
        request=RecordedRequest(
            kind=request.kind,
            account_external_id=request.account_external_id and scrubber.string(request.account_external_id),
            from_on=request.from_on and scrubber.day(request.from_on),
            to_on=request.to_on and scrubber.day(request.to_on),
            dry_run=request.dry_run,
        ),
        options={name: _option(name, value, scrubber) for name, value in run.options.items()},
        currency=run.currency,
        config=scrubber.json(json.loads(_dump(revealed(run.config.model_dump())), parse_float=Decimal)),
        exchanges=[_exchange(exchange, scrubber) for exchange in run.exchanges],
        outcome=run.outcome,
        decisions=sorted(scrubbed_decision(decision, scrubber) for decision in run.decisions),
    )


def scrubbed_decision(decision: Mapping[str, Any], scrubber: Scrubber) -> RecordedDecision:
    """Return a decision of `run_queries.decisions_of` as it stands in a recording; its texts are left out."""
    on, amount = decision["effective_on"], decision["amount"]
    return RecordedDecision(
        account=scrubber.string(decision["account_external_id"] or ""),
        on=scrubber.day(on).isoformat() if on else "",
        amount=plain(scrubber.amount(amount)) if amount is not None else "",
        currency=decision["currency"] or "",
        decision=decision["decision"],
        reason=decision["reason"],
    )


def plain(amount: Decimal) -> str:
    """Return an amount as digits, without zeros at its end."""
    return format(amount.normalize() + 0, "f")


def write(recording: Recording) -> str:
    """Return the text of a recording's file: JSON, with numbers digit by digit as the bank had them."""
    record = asdict(recording)
    record["exchanges"] = [_written(exchange) for exchange in recording.exchanges]
    return _dump({"format": FORMAT} | record, indent=1)


def read(text: str) -> Recording:
    """Read a file. Raises: InvalidRequestError when it is no recording."""
    if len(text) > _MANY_BYTES:
        raise InvalidRequestError("the recording is too large")
    try:
        data = json.loads(text, parse_float=Decimal)
        _check_format(data.pop("format"))
        request = data["request"]
        return Recording(
            **data
            | {
                "now": datetime.fromisoformat(data["now"]),
                "request": RecordedRequest(**request | {name: _day(request, name) for name in ("from_on", "to_on")}),
                "exchanges": [_read_exchange(exchange) for exchange in data["exchanges"]],
                "decisions": [RecordedDecision(**decision) for decision in data["decisions"]],
            }
        )
    except InvalidRequestError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidRequestError(f"the file is no recording: {type(error).__name__}") from None


def _check_format(found: object) -> None:
    if found != FORMAT:
        raise InvalidRequestError(f"this is no recording of the format {FORMAT}")


def _option(name: str, value: Any, scrubber: Scrubber) -> Any:  # noqa: ANN401 - JSON
    return [scrubber.string(account_id) for account_id in value] if name == "inverted_accounts" else value


def _exchange(exchange: RecordedExchange, scrubber: Scrubber) -> RecordedExchange:
    return RecordedExchange(
        method=exchange.method,
        endpoint=exchange.endpoint,
        account_id=None if exchange.account_id is None else scrubber.string(exchange.account_id),
        status=exchange.status,
        headers={name: _header(name, value, scrubber) for name, value in exchange.headers.items()},
        content=_content(exchange.content, scrubber),
        error=exchange.error,
        retry_after_s=exchange.retry_after_s,
    )


def _header(name: str, value: str, scrubber: Scrubber) -> str:
    if name == "content-type":
        return value if re.fullmatch(r"[a-z]+/[a-z0-9.+-]+(; ?charset=[A-Za-z0-9-]+)?", value) else "text/plain"
    if name in {"date", "retry-after"} and not value.strip().isdigit():
        return _http_date(value, scrubber)
    return value if value.strip().lstrip("-").isdigit() and len(value) < 8 else scrubber.text(value)  # noqa: PLR2004 - a count


def _http_date(value: str, scrubber: Scrubber) -> str:
    try:
        moved = scrubber.moment(parsedate_to_datetime(value))
    except (TypeError, ValueError, OverflowError):
        return "0"
    return format_datetime(moved, usegmt=moved.utcoffset() is not None and not moved.utcoffset())


def _content(content: bytes, scrubber: Scrubber) -> bytes:
    """Return a scrubbed body: as JSON where a connector reads it as JSON, else as text with its undecodable bytes."""
    try:
        return _dump(scrubber.json(read_json(content))).encode()
    except (ValueError, RecursionError):
        return scrubber.text(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def _written(exchange: RecordedExchange) -> dict[str, Any]:
    """Return an exchange as JSON: its body as JSON where it is some, else as text."""
    record = {name: value for name, value in asdict(exchange).items() if value not in (None, {}, b"")}
    content = record.pop("content", b"")
    try:
        return record | {"json": read_json(content)} if content else record
    except ValueError:
        return record | {"text": content.decode("utf-8", "surrogateescape")}


def _read_exchange(record: dict[str, Any]) -> RecordedExchange:
    content = _dump(record.pop("json")) if "json" in record else record.pop("text", "")
    wait_s = record.pop("retry_after_s", None)
    body = content.encode("utf-8", "surrogateescape")
    return RecordedExchange(**record, content=body, retry_after_s=None if wait_s is None else float(wait_s))


def _dump(value: Any, *, indent: int | None = None) -> str:  # noqa: ANN401 - JSON with Decimals
    """Return JSON in which Decimals keep all their digits."""
    mark, numbers = uuid.uuid4().hex, list[str]()  # no text of a bank contains a mark that is new in every call

    def plain_value(one: object) -> str:
        if isinstance(one, Decimal) and one.is_finite():
            numbers.append(str(one))
            return f"{mark}{len(numbers) - 1}"
        return one.isoformat() if isinstance(one, date | datetime) else str(one)

    text = json.dumps(value, default=plain_value, ensure_ascii=True, indent=indent)
    return re.sub(f'"{mark}([0-9]+)"', lambda found: numbers[int(found.group(1))], text)


def _day(record: Mapping[str, Any], name: str) -> date | None:
    return date.fromisoformat(record[name]) if record.get(name) else None
