"""The schema of `bank_connections.options`: the user's choices for one connection, with their defaults."""

from typing import Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator

from worker.connectors.base import IdClass


class ConnectionOptions(BaseModel):
    """The policies of one connection.

    Attributes:
        timezone: IANA zone of the bank's days; None = the connector's.
        reimport: Rows taken back by a revert may return.
        inverted_accounts: External ids of accounts whose bank states amounts with the opposite sign.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    import_pending: Literal["show", "hide"] = "show"
    date_basis: Literal["transaction", "booking", "value"] = "transaction"
    timezone: str | None = None
    transfers: Literal["hide", "show_both"] = "hide"
    new_accounts: Literal["import", "ask"] = "import"
    history_days: int | None = Field(default=None, strict=True, ge=1, le=3650)
    pending_grace_days: int = Field(default=7, strict=True, ge=0, le=90)
    id_class: IdClass | None = None
    inverted_accounts: tuple[str, ...] = ()
    suggest_categories: bool = Field(default=False, strict=True)
    reimport: bool = Field(default=False, strict=True)

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str | None) -> str | None:
        if zone is not None and zone not in available_timezones():
            raise ValueError("not an IANA time zone")
        return zone
