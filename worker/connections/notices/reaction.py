"""Decides what notices of a provider mean for a connection. Pure.

A webhook may arrive late, twice, or after what it reports was mended: it stops a connection only where nothing newer
says that the login works, and where it did not work just before. In all other cases a run looks what is true.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from worker.connectors.notices import NoticeAction

ENDS_AFTER = timedelta(days=7)
"""When an access ends whose provider warns without naming the time: Plaid warns a week ahead."""


DOUBTED_FOR = timedelta(minutes=30)
"""So soon after a login worked an error may be an old one that the provider repeats, signed anew: a run looks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeFacts:
    """The fields of a `ProviderNotice` that a decision needs.

    Attributes:
        issued_at: When it was signed.
    """

    action: NoticeAction
    code: str
    issued_at: datetime
    account_id: str | None = None
    reason: str | None = None
    repaired: bool = False
    works_until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginFacts:
    """What is known of the connection.

    Attributes:
        status: As the connection has it.
        proven_at: When the login last worked, or was last renewed.
        renewed_at: When it was last renewed; what was announced before is about the consent before.
    """

    status: str
    proven_at: datetime
    renewed_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What to do about a connection.

    Attributes:
        look: Ask for a run.
        needs_user: Stop the connection, because of this notice.
        ends_at: The access ends then.
        forget_end: An end that was announced does not hold any more.
        new_accounts_at: When the bank had accounts that are not shared.
        revoked_accounts: The bank's ids of accounts that are no longer shared.
    """

    look: bool = False
    needs_user: NoticeFacts | None = None
    ends_at: datetime | None = None
    forget_end: bool = False
    new_accounts_at: datetime | None = None
    revoked_accounts: frozenset[str] = field(default_factory=frozenset)


def react(notices: Sequence[NoticeFacts], login: LoginFacts) -> Reaction:
    """Return what the waiting notices of a login mean together, in the order in which they were signed."""
    reaction = Reaction()
    for notice in sorted(notices, key=lambda one: one.issued_at):
        reaction = _after(reaction, notice, login)
    return reaction


def _after(before: Reaction, notice: NoticeFacts, login: LoginFacts) -> Reaction:
    """Return what is to be done once this notice is taken into account, too."""
    fields = {name: getattr(before, name) for name in Reaction.__slots__}
    is_doubtful = notice.issued_at <= login.proven_at + DOUBTED_FOR
    match notice.action:
        case NoticeAction.REFRESH:
            fields["look"] = True
            if notice.repaired:
                fields |= {"needs_user": None, "ends_at": None, "forget_end": True}
        case NoticeAction.NEEDS_USER if is_doubtful:
            fields["look"] = True
        case NoticeAction.NEEDS_USER:
            fields["needs_user"] = notice
        case NoticeAction.ACCESS_ENDING if _is_of_this_consent(notice, login):
            fields["ends_at"] = notice.works_until or notice.issued_at + ENDS_AFTER
        case NoticeAction.NEW_ACCOUNTS:
            fields["new_accounts_at"] = notice.issued_at
        case NoticeAction.ACCOUNT_REVOKED if notice.account_id is not None:
            fields |= {"look": True, "revoked_accounts": before.revoked_accounts | {notice.account_id}}
        case _:
            pass
    return Reaction(**fields)


def _is_of_this_consent(notice: NoticeFacts, login: LoginFacts) -> bool:
    """Say whether an announced end still holds: one without its moment is refuted by a login that worked since."""
    if login.renewed_at is not None and notice.issued_at <= login.renewed_at:
        return False
    return notice.works_until is not None or notice.issued_at > login.proven_at
