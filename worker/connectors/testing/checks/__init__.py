"""All checks of the kit, in the order of the imports."""

from worker.connectors.testing.check import all_checks

# isort: off
from worker.connectors.testing.checks import contract, truth, identity, windows, paging, changes, errors, hygiene

# isort: on

__all__ = ["ALL_CHECKS", "changes", "contract", "errors", "hygiene", "identity", "paging", "truth", "windows"]

ALL_CHECKS = all_checks()
