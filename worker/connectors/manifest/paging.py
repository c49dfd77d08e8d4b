"""Follows a list from page to page, and notices one that turns in circles."""

import re
from collections.abc import Sequence
from typing import Any

from worker.connectors.errors import InvalidDataError
from worker.connectors.http import ProviderResponse
from worker.connectors.manifest.fields import walk
from worker.connectors.manifest.paging_kinds import (
    HeaderPaging,
    LastIdPaging,
    LinkHeaderPaging,
    LinkPaging,
    NumberPaging,
    OffsetPaging,
    Paging,
    TokenPaging,
)
from worker.connectors.manifest.request_filling import Question

CountedPaging = OffsetPaging | NumberPaging | LastIdPaging

_NEXT_LINK = re.compile(r"<([^<>]*)>\s*;[^,<]*\brel=\"?next\"?", re.IGNORECASE)


class Pager:
    """Where a list goes on. One for each list that is read.

    Args:
        declared: how it goes on; None for one that does not.
        hosts: hosts that a link may lead to.
    """

    def __init__(self, declared: Paging | None, hosts: frozenset[str]) -> None:
        self._declared = declared
        self._hosts = hosts
        self._seen: set[str] = set()
        self._last: Sequence[Any] = ()
        self._read = 0
        self._page = declared.start if isinstance(declared, NumberPaging) else 0

    def after(self, question: Question, answer: ProviderResponse, records: Sequence[Any]) -> Question | None:
        """Return the question for the next page, None after the last one. Raises: InvalidDataError in a circle."""
        following = self._following(question, answer, records)
        if following is None:
            return None
        key = repr((following.url, following.params, following.json, following.form))
        if key in self._seen or (records and records == self._last):
            raise InvalidDataError(f"{question.endpoint}: the provider repeats a page")
        self._seen.add(key)
        self._last = records
        return following

    def _following(self, question: Question, answer: ProviderResponse, records: Sequence[Any]) -> Question | None:
        """Return the next question by what the answer says; a list that goes on by its window is followed there."""
        match self._declared:
            case TokenPaging() as paging:
                token = _at(answer, paging.next)
                ended = token in (None, "", False) or (paging.more and not _flag(answer, paging.more))
                value = token if isinstance(token, int) else str(token)
                return None if ended else question.with_value(paging.param, value)
            case LinkPaging() as paging:
                return self._linked(question, _at(answer, paging.next), paging.next)
            case LinkHeaderPaging():
                found = _NEXT_LINK.search(answer.headers.get("link", ""))
                return question.at(found[1], self._hosts) if found else None
            case HeaderPaging() as paging:
                named = answer.headers.get(paging.header, "").strip()
                return question.with_value(paging.param, named) if named else None
            case OffsetPaging() | NumberPaging() | LastIdPaging() as paging:
                return self._counted(paging, question, answer, records)
            case _:
                return None

    def _linked(self, question: Question, link: object, path: str) -> Question | None:
        if link in (None, "", False):
            return None
        if not isinstance(link, str):
            raise InvalidDataError(f"{question.endpoint}: {path} is no address")
        return question.at(link, self._hosts)

    def _counted(
        self, declared: CountedPaging, question: Question, answer: ProviderResponse, records: Sequence[Any]
    ) -> Question | None:
        self._read += len(records)
        if self._ends(declared, answer, len(records)):
            return None
        match declared:
            case OffsetPaging():
                return question.with_value(declared.param, declared.start + self._read)
            case NumberPaging():
                self._page += 1
                return question.with_value(declared.param, self._page)
            case LastIdPaging():
                last = walk(records[-1], declared.id.split("."))
                if last in (None, ""):
                    raise InvalidDataError(f"{question.endpoint}: the last record has no {declared.id}")
                return question.with_value(declared.param, str(last))

    def _ends(self, declared: CountedPaging, answer: ProviderResponse, count: int) -> bool:
        if declared.more is not None:
            return not _flag(answer, declared.more) or not count
        if declared.last is not None:
            return _flag(answer, declared.last) or not count
        if isinstance(declared, NumberPaging) and declared.pages is not None:
            return self._page - declared.start + 1 >= _count(answer, declared.pages)
        if declared.total is not None:
            return self._read >= _count(answer, declared.total) or not count
        return count < (declared.short_page_ends or 1)


def _at(answer: ProviderResponse, path: str) -> Any:  # noqa: ANN401 - the provider's own JSON
    return walk(answer.body, path.split("."))


def _flag(answer: ProviderResponse, path: str) -> bool:
    """Read whether there is more, or whether this is the last page; a few providers write it as text."""
    found = _at(answer, path)
    return found.casefold() != "false" and bool(found) if isinstance(found, str) else bool(found)


def _count(answer: ProviderResponse, path: str) -> int:
    found = _at(answer, path)
    if isinstance(found, str) and re.fullmatch(r"\d{1,12}", found, re.ASCII):
        return int(found)
    if isinstance(found, bool) or not isinstance(found, int):
        raise InvalidDataError(f"{path} is no number")
    return found
