"""Use cases on credential keys: count what each one seals, rotate, verify, and check that one can be retired."""

from worker.keys.canary import check_keys
from worker.keys.rotation import RotationReport, rotate, rows_to_rotate
from worker.keys.usage import KeyUsage, check_unneeded, key_usage
from worker.keys.verification import VerificationReport, verify

__all__ = [
    "KeyUsage",
    "RotationReport",
    "VerificationReport",
    "check_keys",
    "check_unneeded",
    "key_usage",
    "rotate",
    "rows_to_rotate",
    "verify",
]
