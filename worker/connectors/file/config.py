"""The config of a connection to statement files: where they are, and what a person states about them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from worker.connectors.base import AccountType
from worker.connectors.config import ConnectorConfig
from worker.connectors.file.camt.repeating_reports import Reports
from worker.connectors.file.reading import Choices
from worker.connectors.file.statement.account_numbers import is_iban
from worker.connectors.file.statement.amounts import Mark
from worker.connectors.file.statement.dates import Order
from worker.connectors.file.statement.encodings import known_encoding
from worker.connectors.file.table.column_names import ROLES
from worker.connectors.file.table.decisions import Hints
from worker.connectors.file.table.profile import Profile, plain
from worker.connectors.file.table.profile_files import built_in_profile, built_in_profiles, folder_profiles
from worker.connectors.file.table.signs import DirectionFrom
from worker.errors import InvalidRequestError
from worker.money import is_currency


class AccountOverride(BaseModel):
    """What is stated about an account instead of what its files say. iban: joins it with the same account elsewhere."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str | None = Field(default=None, max_length=200, description="Name to show.")
    currency: str | None = Field(default=None, description="ISO 4217 code of rows that state none.")
    iban: str | None = Field(default=None, description="IBAN, where the file has none or another number.")
    account_type: AccountType | None = Field(default=None, description="checking, savings, credit, …")
    flip_sign: bool = Field(default=False, description="Turn every amount and balance round.")

    @field_validator("currency")
    @classmethod
    def _is_currency(cls, value: str | None) -> str | None:
        if value is not None and not is_currency(value.upper()):
            raise ValueError("is no ISO 4217 currency")
        return value.upper() if value else None

    @field_validator("iban")
    @classmethod
    def _is_iban(cls, value: str | None) -> str | None:
        plain = "".join(value.split()).upper() if value else None
        if plain is not None and not is_iban(plain):
            raise ValueError("is no IBAN: the check digits are wrong")
        return plain


def stated_columns(pairs: Iterable[str]) -> dict[str, str]:
    """Read `NAME=FIELD` pairs as people state them. Raises: InvalidRequestError for one without a sign of equality."""
    split = [pair.rpartition("=") for pair in pairs]
    wrong = next((field for name, _, field in split if not name), None)
    if wrong is not None:
        raise InvalidRequestError(f"column '{wrong}' is not NAME=FIELD")
    return {name: field for name, _, field in split}


class FileConfig(ConnectorConfig):
    """Where the files are, and what cannot be found out from them."""

    path: Path = Field(description="A statement file, or a drop folder of them; an absolute path.")
    profile: str | Profile | None = Field(
        default=None, description="CSV profile: a shipped name, or the profile itself."
    )
    encoding: str | None = Field(default=None, description="Encoding of the files; default: found out.")
    date_order: Order | None = Field(default=None, description="dmy, mdy or ymd, where the files do not prove it.")
    decimal: Mark | None = Field(default=None, description="Decimal mark, where the files do not prove it.")
    positive_is: Literal["in", "out"] | None = Field(default=None, description="Which way positive amounts went.")
    direction_from: DirectionFrom | None = Field(
        default=None,
        description="What a minus means where a word, mark, type or column of the row states the direction besides.",
    )
    columns: dict[str, str] = Field(
        default_factory=dict,
        description="Columns of a table (their names, or numbers from 1 without a header) with what they hold.",
    )
    ignored: tuple[str, ...] = Field(
        default=(), description="Columns that are not read, unless a shipped or named profile names them."
    )
    notifications: bool = Field(default=False, description="Read camt.054 too.")
    split_batches: bool = Field(
        default=True, description="Book the payments of a collective CAMT entry singly, where they add up to it."
    )
    reports: Reports | None = Field(
        default=None,
        description="Whether each report of a CAMT.052 repeats the entries so far, or tells new ones only.",
    )
    account: AccountOverride | None = Field(default=None, description="Stated for every account of the files.")
    accounts: dict[str, AccountOverride] = Field(
        default_factory=dict, description="Stated for one account, by its id (acct-…) or its last four digits."
    )

    @field_validator("path")
    @classmethod
    def _is_absolute(cls, value: Path) -> Path:
        if not value.is_absolute():
            raise ValueError("is not absolute; workers run in other folders than this one")
        return value

    @field_validator("profile")
    @classmethod
    def _exists(cls, value: str | Profile | None) -> str | Profile | None:
        if isinstance(value, str):
            try:
                built_in_profile(value)
            except InvalidRequestError as error:
                raise ValueError(str(error)) from None
        return value

    @field_validator("columns")
    @classmethod
    def _has_known_roles(cls, value: dict[str, str]) -> dict[str, str]:
        unknown = next((role for role in value.values() if role not in ROLES), None)
        if unknown is not None:
            raise ValueError(f"'{unknown}' is nothing a column can hold; known: {', '.join(ROLES)}")
        return value

    @field_validator("encoding")
    @classmethod
    def _is_encoding(cls, value: str | None) -> str | None:
        return known_encoding(value) if value else None

    def override(self, ids: Iterable[str], mask: str | None) -> AccountOverride | None:
        """Return what is stated about an account by one of its ids or its last digits, the most particular first."""
        return next((self.accounts[name] for name in (*ids, mask) if name in self.accounts), self.account)

    def choices(self) -> Choices:
        """Return what the readers need to know."""
        profile = built_in_profile(self.profile) if isinstance(self.profile, str) else self.profile
        own = folder_profiles(self.path)
        return Choices(
            profile=profile,
            profiles=(*own, *built_in_profiles()),
            columns={plain(name): role for name, role in self.columns.items()},
            hints=Hints(
                order=self.date_order,
                decimal=self.decimal,
                positive_is=self.positive_is,
                direction_from=self.direction_from,
                currency=self.account.currency if self.account else None,
                ignored=frozenset(plain(name) for name in self.ignored),
            ),
            encoding=self.encoding,
            notifications=self.notifications,
            split_batches=self.split_batches,
            reports=self.reports,
        )

    def stamp(self) -> str:
        """Return a digest of everything but the path: files are read again when what is stated about them changes."""
        stated = self.model_dump_json(exclude={"path"})
        own = [profile.model_dump_json() for profile in folder_profiles(self.path)]
        return hashlib.sha256("".join([stated, *own]).encode()).hexdigest()[:8]
