"""Routes of what a user chooses for all connections."""

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert

from worker.api.inputs import Input
from worker.api.services import ServicesDep, UserId
from worker.models import UserPreference

router = APIRouter(prefix="/preferences", tags=["preferences"])


class PreferencesOut(BaseModel):
    """What a user chose. warn_by_mail: a mail when a consent ends or a bank needs the user."""

    warn_by_mail: bool


class PreferencesIn(Input):
    """What a user chooses."""

    warn_by_mail: bool = Field(strict=True, description="A mail when a consent ends or a bank needs the user.")


@router.get("")
def show_preferences(user_id: UserId, services: ServicesDep) -> PreferencesOut:
    """Show what the caller chose, or the defaults."""
    with services.sessions() as session:
        row = session.get(UserPreference, user_id)
        return PreferencesOut(warn_by_mail=True if row is None else row.warn_by_mail)


@router.put("")
def change_preferences(wanted: PreferencesIn, user_id: UserId, services: ServicesDep) -> PreferencesOut:
    """Choose whether mails warn the caller."""
    values = {"user_id": user_id, "warn_by_mail": wanted.warn_by_mail}
    change = {"warn_by_mail": wanted.warn_by_mail, "updated_at": func.now()}
    with services.sessions() as session:
        session.execute(
            insert(UserPreference)
            .values(**values)
            .on_conflict_do_update(index_elements=[UserPreference.user_id], set_=change)
        )
    return PreferencesOut(warn_by_mail=wanted.warn_by_mail)
