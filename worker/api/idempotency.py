"""`Idempotency-Key`: returns the stored response when a request is repeated with the same key within a day."""

import hashlib
import json
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends, Header, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from sqlalchemy import delete, func, text, update
from sqlalchemy.dialects.postgresql import insert

from worker.api.problems import ProblemError
from worker.api.services import ServicesDep, UserId
from worker.db.engine import Sessions
from worker.models import IdempotencyKey
from worker.models.api import IDEMPOTENCY_KEY_LASTS

ABANDONED = text("INTERVAL '5 minutes'")
"""A request without a response for this long was lost with its process; its key may be used again."""
MOST_KEYS = 1000
"""Keys of one user that are kept; the oldest are forgotten sooner than after a day."""

_FORGET_OLDEST = text(
    """DELETE FROM idempotency_keys WHERE user_id = :user_id AND created_at < (
      SELECT created_at FROM idempotency_keys WHERE user_id = :user_id
      ORDER BY created_at DESC OFFSET :most LIMIT 1)"""
)
_REPLAYED = {"Idempotent-Replayed": "true"}

KeyHeader = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Makes a repeated request one request, for 24 hours; the last 1,000 of a user are known.",
    ),
]


class Once:
    """Runs a request once per key. Without a key it just runs."""

    def __init__(self, sessions: Sessions, user_id: int, key: str | None, fingerprint: bytes) -> None:
        self._sessions = sessions
        self._user_id = user_id
        self._key = key
        self._fingerprint = fingerprint

    def answer(
        self,
        make: Callable[[], BaseModel],
        *,
        status: int,
        location: Callable[[Any], str],
        hide: frozenset[str] = frozenset(),
    ) -> Response:
        """Return the result of `make`, or the stored one of an earlier request with this key.

        hide: fields that are shown once and therefore not kept. Raises: ProblemError 409 while the first request is
        under way, 422 when the key belongs to another request.
        """
        kept = self._begin()
        if kept is not None:
            return kept
        try:
            made = make()
        except BaseException:
            self._forget()
            raise
        body, headers = made.model_dump(mode="json"), {"Location": location(made)}
        self._keep(status, headers, {name: None if name in hide else value for name, value in body.items()})
        return JSONResponse(body, status_code=status, headers=headers)

    def _begin(self) -> Response | None:
        if self._key is None:
            return None
        mine = (IdempotencyKey.user_id == self._user_id, IdempotencyKey.key == self._key)
        age = func.now() - IdempotencyKey.created_at
        with self._sessions() as session:
            session.execute(
                delete(IdempotencyKey).where(IdempotencyKey.user_id == self._user_id, age > IDEMPOTENCY_KEY_LASTS)
            )
            session.execute(delete(IdempotencyKey).where(*mine, IdempotencyKey.status_code.is_(None), age > ABANDONED))
            row = {"user_id": self._user_id, "key": self._key, "fingerprint": self._fingerprint}
            claim = insert(IdempotencyKey).values(row).on_conflict_do_nothing().returning(IdempotencyKey.key)
            if session.scalar(claim) is not None:
                session.execute(_FORGET_OLDEST, {"user_id": self._user_id, "most": MOST_KEYS})
                return None
            return self._replay(session.get_one(IdempotencyKey, (self._user_id, self._key)))

    def _replay(self, kept: IdempotencyKey) -> Response:
        if bytes(kept.fingerprint) != self._fingerprint:
            raise ProblemError(422, "idempotency_key_reused", "this Idempotency-Key belongs to another request")
        if kept.status_code is None:
            raise ProblemError(
                409, "idempotency_in_progress", "the first request with this key is under way", {"Retry-After": "1"}
            )
        return JSONResponse(kept.body, status_code=kept.status_code, headers={**(kept.headers or {}), **_REPLAYED})

    def _keep(self, status: int, headers: dict[str, str], body: dict[str, Any]) -> None:
        if self._key is not None:
            self._change({"status_code": status, "headers": headers, "body": body})

    def _change(self, values: dict[str, Any]) -> None:
        mine = (IdempotencyKey.user_id == self._user_id, IdempotencyKey.key == self._key)
        with self._sessions() as session:
            session.execute(update(IdempotencyKey).where(*mine).values(**values))

    def _forget(self) -> None:
        if self._key is not None:
            mine = (IdempotencyKey.user_id == self._user_id, IdempotencyKey.key == self._key)
            with self._sessions() as session:
                session.execute(delete(IdempotencyKey).where(*mine))


async def once(request: Request, user_id: UserId, services: ServicesDep, key: KeyHeader = None) -> Once:
    """Return the guard of this request."""
    if key is None:
        return Once(services.sessions, user_id, key, b"")
    # In a thread: what is slow on purpose would stop every other request.
    known_by = await run_in_threadpool(fingerprint, request, user_id, await request.body())
    return Once(services.sessions, user_id, key, known_by)


def fingerprint(request: Request, user_id: int, body: bytes) -> bytes:
    """Tell two requests apart by method, path, query and the JSON of the body; no body is the same as `{}`.

    Slow on purpose where there is a body: it may hold a password, and the result is kept in the clear.
    """
    query = "&".join(sorted(f"{name}={value}" for name, value in request.query_params.multi_items()))
    target = f"{request.method} {request.url.path} {query}".rstrip().encode()
    content = _canonical(body)
    if not content:
        return hashlib.sha256(target).digest()
    return hashlib.scrypt(content, salt=b"%d " % user_id + target, n=2**12, r=8, p=1, dklen=32)


def _canonical(body: bytes) -> bytes:
    try:
        payload = json.loads(body or b"{}")
        return json.dumps(payload, sort_keys=True).encode() if payload not in ({}, None) else b""
    except (ValueError, RecursionError):
        return body  # not JSON: the route says so


OnlyOnce = Annotated[Once, Depends(once)]
