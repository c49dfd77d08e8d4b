"""Asks the system for the addresses of receivers' names, in threads, because the system's call cannot be interrupted.

A name whose server is silent holds a thread for as long as the system asks it, some ten seconds or more. So everybody
who asks for one name waits for one look-up, and a name that found no free thread is no fault of its receiver.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import TypeAlias

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""All addresses of a host name. Raises: OSError when there is none, LookUpWaitsError when it was not asked for."""


class LookUpWaitsError(Exception):
    """The time for connecting ended before a thread was free to ask for the name."""


@dataclass(slots=True)
class _LookUp:
    found: "Future[Sequence[str]]"
    asking: int = 0


def system_resolver(executor: Executor) -> Resolve:
    """Return the system's resolver, which runs in `executor`."""
    under_way: dict[tuple[str, int], _LookUp] = {}

    def begin(key: tuple[str, int]) -> _LookUp:
        begun = under_way[key] = _LookUp(executor.submit(_addresses, *key))
        begun.found.add_done_callback(lambda _found: under_way.pop(key, None))
        return begun

    async def resolve(host: str, port: int) -> Sequence[str]:
        # The root dot keeps the resolver from trying the machine's search domains.
        key = (f"{host}." if "." in host else host, port)
        look_up = under_way.get(key) or begin(key)
        look_up.asking += 1
        try:
            return await asyncio.shield(asyncio.wrap_future(look_up.found))
        except asyncio.CancelledError:
            if look_up.found.running() or look_up.found.done():
                raise
            raise LookUpWaitsError from None
        finally:
            look_up.asking -= 1
            if not look_up.asking:
                look_up.found.cancel()  # while it waits for a thread; one that runs goes on

    return resolve


def _addresses(name: str, port: int) -> Sequence[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
