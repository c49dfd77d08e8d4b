"""Event filters of a subscription: `*`, a prefix such as `expense.*`, or a type of the catalogue. Pure."""

from collections.abc import Sequence

from worker.errors import InvalidRequestError
from worker.events import event_types


def check_filters(filters: Sequence[str], api_version: str) -> list[str]:
    """Return the filters sorted and without doubles. Raises: InvalidRequestError when one fits nothing."""
    known = event_types(api_version)
    allowed = {"*", *known, *(name.partition(".")[0] + ".*" for name in known)}
    for wanted in filters:
        if wanted not in allowed:
            raise InvalidRequestError(f"a filter matches no event; choose from {', '.join(sorted(allowed))}")
    if not filters:
        raise InvalidRequestError("a subscription needs at least one event, or *")
    return sorted(set(filters))
