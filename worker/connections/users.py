"""Adds users to FinMind's table for connections that no person of the web app made: trials, samples, replays."""

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from worker.models import User

_NO_LOG_IN = "!"
"""No password has this hash, so that nobody can log in to FinMind as such a user."""


def add_user(session: Session, email: str, currency: str) -> int | None:
    """Add a user who cannot log in.

    Args:
        session: A transaction.
        email: Unique in FinMind.
        currency: ISO 4217 code of amounts that name none.

    Returns:
        The id of the user; None when there is one with this address.
    """
    values = {"email": email, "password_hash": _NO_LOG_IN, "preferred_currency": currency}
    return session.scalar(insert(User).values(**values).on_conflict_do_nothing().returning(User.id))
