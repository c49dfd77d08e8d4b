"""Turns a provider's own errors into those of the contract, as a manifest's `errors` say. Pure."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal

from worker.connectors import error_meanings as means
from worker.connectors.error_meanings import Meaning
from worker.connectors.errors import ConnectorError, RateLimitError
from worker.connectors.http import ProviderResponse, asked_wait_s
from worker.connectors.manifest.fields import Scene, conditions, walk
from worker.connectors.manifest.rules import ErrorRule


class NothingListedError(ConnectorError):
    """The provider has no such list: it is read as an empty one."""


NOTHING = Meaning(error=NothingListedError, run="takes the list for an empty one", user="nothing")

MEANINGS: Mapping[str, Meaning] = {
    "login_expired": means.LOGIN_EXPIRED,
    "revoked": means.REVOKED,
    "wrong_login": means.WRONG_LOGIN,
    "action_required": means.ACTION_REQUIRED,
    "operator": means.OPERATOR,
    "unpaid": means.UNPAID,
    "account_gone": means.ACCOUNT_GONE,
    "bank_down": means.BANK_DOWN,
    "provider_down": means.PROVIDER_DOWN,
    "too_fast": means.SHORT_LIMIT,
    "allowance_spent": means.SPENT,
    "start_over": means.START_OVER,
    "cursor_forgotten": means.CURSOR_FORGOTTEN,
    "defect": means.DEFECT,
    "nothing": NOTHING,
}

Refusal = Callable[[ProviderResponse, str, datetime], ConnectorError | None]
"""What an answer to a request of this name means at this moment; None: the status says it."""


def refusal_reader(rules: tuple[ErrorRule, ...]) -> Refusal:
    """Return who reads a provider's own errors by these rules; the first that fits counts."""
    compiled = [(rule, conditions(rule.when)) for rule in rules]

    def read(answer: ProviderResponse, endpoint: str, now: datetime) -> ConnectorError | None:
        for rule, holds in compiled:
            if rule_fits(rule, answer, endpoint) and holds(answer.body, Scene()):
                return _made(rule, answer, endpoint, now)
        return None

    return read


def rule_fits(rule: ErrorRule, answer: ProviderResponse, endpoint: str) -> bool:
    """Say whether an answer has the request, status and words of a rule; its places are compared besides."""
    if rule.of and endpoint not in rule.of:
        return False
    if rule.status and answer.status not in rule.status:
        return False
    if rule.when and not isinstance(answer.body, dict | list):
        return False
    return rule.text is None or rule.text.casefold() in answer.text.casefold()


def rule_of(rules: tuple[ErrorRule, ...], answer: ProviderResponse, endpoint: str) -> ErrorRule | None:
    """Return the rule that an answer falls under; None where its status says what it means."""
    fitting = (rule for rule in rules if rule_fits(rule, answer, endpoint))
    return next((rule for rule in fitting if conditions(rule.when)(answer.body, Scene())), None)


def _made(rule: ErrorRule, answer: ProviderResponse, endpoint: str, now: datetime) -> ConnectorError:
    error = MEANINGS[rule.means].error(f"{endpoint}: answered {answer.status} ({mark_of(rule)})")
    if isinstance(error, RateLimitError):
        asked = walk(answer.body, rule.retry_after.split(".")) if rule.retry_after else None
        stated = float(asked) if isinstance(asked, int | Decimal) and not isinstance(asked, bool) else None
        error.retry_after_s = stated if stated is not None else asked_wait_s(answer.headers, now)
    return error


def mark_of(rule: ErrorRule) -> str:
    """Return what a rule goes by, in a few words: `401`, `code INVALID_TOKEN`, `"too many requests"`."""
    marks = [str(status) for status in rule.status]
    marks += [f"{path} {' / '.join(map(str, values))}" for path, values in rule.when.items()]
    marks += [f'"{rule.text}"'] if rule.text else []
    return ", ".join(marks)
