"""Structured logging: JSON lines with FinMind's fields, or readable lines on a terminal.

Every line has `timestamp`, `level`, `logger`, `message` and, inside a run, `run_id`. Task arguments and secrets are not
logged; as a last line of defence, values of fields such as `token` or `password` are dropped here.
"""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from io import StringIO
from typing import Any, TextIO

import structlog

from worker.inert_text import inert_lines, inert_value
from worker.redaction import redact

_SECRET_NAMES = (
    "password",
    "secret",
    "token",
    "authorization",
    "config",
    "credential",
    "api_key",
    "access_url",
    "args",
)
_QUIET = ("httpx2", "httpcore2", "kombu", "amqp", "redis", "urllib3")
_CHATTY = ("celery.beat", "celery.app.trace", "celery.worker.strategy")
"""Loggers with a line per tick and per task, which are shown at DEBUG only."""


_INSPECTS = "flower.inspector"
"""Warns at every start that workers answer no remote control, which they never do."""


def setup_logging(*, level: str = "INFO", json: bool | None = None) -> None:
    """Send all logging of this process to stderr.

    Args:
        level: The lowest level that is shown.
        json: Whether to write JSON lines; None writes them unless stderr is a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_shared(), processors=_json_chain() if as_json else _console_chain()
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    if level.upper() != "DEBUG":
        logging.getLogger(_INSPECTS).setLevel(logging.ERROR)
    for name in _QUIET if level.upper() == "DEBUG" else (*_QUIET, *_CHATTY):
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def get_logger(module: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module; call it with `__name__`. Events are named `<thing>.<what>`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(module)
    return logger


def _shared() -> list[structlog.types.Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        _drop_secrets,
        _make_inert,
    ]


def _json_chain() -> list[structlog.types.Processor]:
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(default=str),
        _redact,
    ]


def _console_chain() -> list[structlog.types.Processor]:
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _shorten,
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=_write_traceback, pad_event_to=0, pad_level=False
        ),
        _redact,
    ]


def _shorten(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ANN401
    """Leave out what a terminal has no room for: day and microseconds, and where our own events come from."""
    event["timestamp"] = f"{event['timestamp'][11:19]}Z"
    if event.get("level") == "info" and str(event.get("logger", "")).startswith("worker."):
        del event["logger"]
    return event


def _redact(_logger: Any, _method: str, line: Any) -> str:  # noqa: ANN401 - what the renderer returned
    return redact(line)


def _write_traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    written = StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(inert_lines(written.getvalue()))


def _make_inert(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401
    # A line break in a value would forge a log line, and a control character could change the terminal of a reader.
    return {name: inert_value(value) if name not in _OURS else value for name, value in event.items()}


_OURS = frozenset({"_record", "_from_structlog", "exc_info", "stack_info"})
"""Fields that libraries add for their own formatters."""


def _drop_secrets(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:  # noqa: ANN401
    return {
        name: "[dropped]" if any(word in name.lower() for word in _SECRET_NAMES) else value
        for name, value in event.items()
    }
