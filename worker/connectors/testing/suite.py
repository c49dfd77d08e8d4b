"""Builds a pytest class with one test per check from an author's description of a connector."""

from collections.abc import Callable, Mapping
from pathlib import Path

from worker.connectors.base import BankConnector
from worker.connectors.testing.check import Check
from worker.connectors.testing.checks import ALL_CHECKS
from worker.connectors.testing.ledger import Ledger
from worker.connectors.testing.subject import ZONE, ConfigSource, OwnFault, Spec, Subject
from worker.connectors.testing.transport import Server


def connector_tests(  # noqa: PLR0913 - each argument is one fact about the connector, all but two have a default
    connector: type[BankConnector],
    *,
    config: ConfigSource,
    server: Callable[[Ledger], Server] | None = None,
    currencies: tuple[str, ...] = ("EUR", "JPY", "KWD"),
    zone: str = ZONE,
    secrets: tuple[str, ...] = (),
    faults: Mapping[str, OwnFault] | None = None,
    skip: Mapping[str, str] | None = None,
) -> type:
    """Return a pytest class that holds the connector to its contract; bind it to a name that starts with `Test`.

    What does not apply makes no test: `left_out` of the class names those checks, each with the reason.

    Args:
        config: What a user would type; or a function of ledger and an empty folder, called at each opening, for
            connectors that read files. Its secrets are the canaries of the leak check: make them long and unlike words.
        server: Called with the ledger; returns what answers requests. None for connectors without a network.
        currencies: Of the accounts, one account each; only fewer where the provider cannot have others.
        zone: Where the bank is; leave it far away unless the provider knows only one.
        secrets: Further texts that must never show up.
        faults: The provider's own error answers, by name, with the error each must become.
        skip: Checks by name, each with the reason why it cannot apply.
    """
    spec = Spec(
        connector=connector,
        config=config,
        server=server,
        currencies=currencies,
        zone=zone,
        secrets=secrets,
        faults=faults or {},
        skip=skip or {},
    )
    unknown = set(spec.skip) - {check.name for check in ALL_CHECKS}
    if unknown:
        raise ValueError(f"skip names checks that do not exist: {sorted(unknown)}")
    left_out = {check.name: reason for check in ALL_CHECKS if (reason := check.not_for(spec)) is not None}
    tests = {f"test_{check.name}": _test(check, spec) for check in ALL_CHECKS if check.name not in left_out}
    return type(f"Test{connector.__name__}", (), {"left_out": left_out, **tests})


def _test(check: Check, spec: Spec) -> Callable[[object, Path], None]:
    def test(_self: object, tmp_path: Path) -> None:
        check.run(Subject(spec, tmp_path))

    return test
