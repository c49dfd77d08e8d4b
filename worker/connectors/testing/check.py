"""Defines a check of the kit, and what it needs of a connector."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeVar

from worker.connectors.base import IdClass
from worker.connectors.testing.subject import Spec, Subject

Need = Callable[[Spec], str | None]
"""Says why a check does not apply to a connector; None when it does."""

TRUSTED = {IdClass.STABLE, IdClass.SESSION}

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise of the contract.

    Attributes:
        run: Raises AssertionError with the actual and the expected result.
    """

    name: str
    run: Callable[[Subject], None]
    needs: tuple[Need, ...] = ()

    def not_for(self, spec: Spec) -> str | None:
        """Return why the check is left out for this connector."""
        return spec.skip.get(self.name) or next((reason for need in self.needs if (reason := need(spec))), None)


_defined: list[Check] = []


def check(*needs: Need) -> Callable[[Callable[[Subject], None]], Check]:
    """Make a function a check of its name, after those that were defined before."""

    def made(function: Callable[[Subject], None]) -> Check:
        _defined.append(Check(name=function.__name__, run=function, needs=needs))
        return _defined[-1]

    return made


def all_checks() -> tuple[Check, ...]:
    """Return the checks of all modules that were imported, in the order of their definition."""
    return tuple(_defined)


def expect(condition: object, message: str) -> None:
    """Fail with a sentence that says what to mend. Raises: AssertionError."""
    if not condition:
        raise AssertionError(message)


def missing(expected: Iterable[T], found: Iterable[T]) -> list[T]:
    """Return what was expected and is not among what was found, counting repetitions."""
    return list((Counter(expected) - Counter(found)).elements())


def truth(spec: Spec) -> str | None:
    """Require a ledger whose content the connector delivers."""
    return None if spec.knows_truth else "no server and no config function tell the connector what happened"


def no_truth(spec: Spec) -> str | None:
    """Require a connector with data of its own; others have a stricter check."""
    return "a check that knows the truth covers it" if spec.knows_truth else None


def http(spec: Spec) -> str | None:
    """Require a server."""
    return None if spec.server else "the connector was given no server"


def own_faults(spec: Spec) -> str | None:
    """Require the provider's own error responses."""
    return None if spec.faults else "no error answer of the provider was given: pass `faults`, or samples with `means`"


def trusted_ids(spec: Spec) -> str | None:
    """Require ids that are declared to identify transactions."""
    id_class = spec.connector.capabilities.id_class
    return None if id_class in TRUSTED else f"ids are declared as {id_class}"


def pending(spec: Spec) -> str | None:
    """Require a provider with pending transactions."""
    return None if spec.connector.capabilities.pending else "the provider tells nothing about pending transactions"


def balances(spec: Spec) -> str | None:
    """Require a provider with balances."""
    return None if spec.connector.capabilities.balances else "the provider tells no balances"


def cursor(spec: Spec) -> str | None:
    """Require a provider with a cursor."""
    return None if spec.connector.capabilities.cursor_scope else "the provider has no cursor"


def window_limit(spec: Spec) -> str | None:
    """Require a provider that limits windows."""
    return None if spec.connector.capabilities.window_days else "the provider takes windows of any length"


def windows(spec: Spec) -> str | None:
    """Require windows that prove the absence of a transaction."""
    return None if spec.connector.capabilities.windows_complete else "a missing row proves nothing at this provider"
