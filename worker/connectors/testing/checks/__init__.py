"""All checks of the kit, in the order an author meets them."""

from worker.connectors.testing.check import Check
from worker.connectors.testing.checks import changes, contract, errors, hygiene, identity, paging, truth, windows

ALL_CHECKS: tuple[Check, ...] = (
    *contract.CHECKS,
    *truth.CHECKS,
    *identity.CHECKS,
    *windows.CHECKS,
    *paging.CHECKS,
    *changes.CHECKS,
    *errors.CHECKS,
    *hygiene.CHECKS,
)
