"""Reads what changed since a cursor, where the provider has one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from worker.connectors.base import Page, RemovedTransaction, SyncState
from worker.connectors.errors import InvalidDataError
from worker.connectors.manifest.fields import Scene, as_text, conditions, walk
from worker.connectors.manifest.plan import TransactionsPlan
from worker.connectors.manifest.records import parts_of, records_of
from worker.connectors.manifest.request_filling import Values
from worker.connectors.manifest.requests import ChangesRequest
from worker.connectors.manifest.rows import read_records
from worker.connectors.manifest.session import ProviderSession


def read_changes(
    session: ProviderSession, plan: TransactionsPlan, scene: Scene, values: Values, state: SyncState
) -> Iterator[Page]:
    """Yield pages from the cursor on; each carries the cursor that comes after it.

    Raises: InvalidDataError when the provider repeats a cursor although it says that there is more; ConnectorError.
    """
    request = session.plan.manifest.changes
    assert request is not None
    cursor, seen = state.cursor, {state.cursor}
    while True:
        question = session.question(request, values, state.account_id)
        if cursor:
            question = question.with_value(request.param, cursor)
        body = session.send(question).body
        following = _cursor(walk(body, request.next.split(".")))
        more = walk(body, request.more.split(".")) if request.more else False
        if following is None or not isinstance(more, bool):
            raise InvalidDataError(f"{request.name}: the answer says no cursor, or not whether there is more")
        if more and following in seen:
            raise InvalidDataError(f"{request.name}: the provider repeats a cursor")
        seen.add(following)
        yield replace(page_of_changes(request, plan, scene, body), next_cursor=following, quota=session.take_readings())
        if not more:
            return
        cursor = following


def _cursor(found: Any) -> str | None:  # noqa: ANN401 - the provider's own JSON
    """Return a cursor as text; some providers count instead."""
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    return found if isinstance(found, str) and found else None


def page_of_changes(request: ChangesRequest, plan: TransactionsPlan, scene: Scene, body: Any) -> Page:  # noqa: ANN401 - the provider's own JSON
    """Return the rows of one answer, new, corrected and gone. Raises: InvalidDataError."""
    scene = replace(scene, answer=body)
    records = [record for path in request.records for record in records_of(body, path, request.name)]
    records = parts_of(records, plan.request.each) if plan.request.each else records
    is_gone = conditions(request.removed_when)
    gone, kept = list[Any](), list[Any]()
    for record in records:
        leaves = bool(request.removed_when) and isinstance(record, dict) and is_gone(record, scene)
        (gone if leaves else kept).append(record)
    rows, rejected = read_records(kept, plan.read, scene, plan.id)
    removed = (*_removed(request, scene, body), *_named(plan, scene, gone))
    return Page(transactions=rows, rejected=rejected, removed=removed)


def _named(plan: TransactionsPlan, scene: Scene, gone: list[Any]) -> Iterator[RemovedTransaction]:
    """Yield the rows that stand in the list of changes as gone."""
    for record in gone:
        external_id = plan.id(record, scene) if plan.id else None
        if external_id is None:
            raise InvalidDataError("a row that is gone has no id")
        yield RemovedTransaction(external_id=external_id, account_id=scene.account_id)


def _removed(request: ChangesRequest, scene: Scene, body: Any) -> tuple[RemovedTransaction, ...]:  # noqa: ANN401 - the provider's own JSON
    if request.removed is None:
        return ()
    found = walk(body, request.removed.split(".")) or []
    if not isinstance(found, list):
        raise InvalidDataError(f"{request.name}: {request.removed} is no list")
    ids = [walk(one, request.removed_id.split(".")) if request.removed_id else one for one in found]
    texts = [as_text(one, request.removed) for one in ids]
    return tuple(RemovedTransaction(external_id=text, account_id=scene.account_id) for text in texts)
