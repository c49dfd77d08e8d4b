"""The config of an Enable Banking connection: the application's key, the session of a consent, its accounts."""

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from worker.connectors.berlin.consent import ConsentAccount, ConsentConfig
from worker.connectors.berlin.entries import anchor
from worker.connectors.config import ConnectorConfig


def read_key(pem: SecretStr) -> RSAPrivateKey:
    """Read the application's key.

    Raises:
        ValueError: without repeating the key.
    """
    # Whether its primes are primes is not checked: that takes 30 ms of every run, and it is the operator's own key.
    try:
        key = load_pem_private_key(pem.get_secret_value().encode(), None, unsafe_skip_rsa_key_validation=True)
    except (ValueError, TypeError) as error:
        raise ValueError("not a PEM private key without a password") from error
    if not isinstance(key, RSAPrivateKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - pydantic reports ValueError as a wrong field
    return key


class EnableBankingApp(ConnectorConfig):
    """One application registered with Enable Banking; it serves every user."""

    application_id: str = Field(description="Id of the application, which is also the id of its key.")
    private_key: SecretStr = Field(description="The application's RSA private key, PEM.")

    @field_validator("private_key")
    @classmethod
    def _is_an_rsa_key(cls, value: SecretStr) -> SecretStr:
        read_key(value)
        return value


class EnableBankingAccount(ConsentAccount):
    """One account of a session.

    Attributes:
        uid: Names the account in this session only.
        identification_hash: Names it for ever.
    """

    uid: str
    identification_hash: str | None = None

    @property
    def external_id(self) -> str:
        """Its id in this session."""
        return self.uid

    @property
    def identity(self) -> str | None:
        """Its hash, which every session of the application repeats."""
        return anchor("hash", self.identification_hash)


class BankManners(BaseModel):
    """How requests to a bank have to be made, learned from its refusals."""

    model_config = ConfigDict(frozen=True)

    without_date_to: bool = False
    key_alone: bool = False


class EnableBankingConfig(EnableBankingApp, ConsentConfig):
    """One consent of a user at one bank; `code` is exchanged for a session before the first save."""

    session_id: str | None = Field(default=None, description="Session of one consent; useless without the key.")
    code: SecretStr | None = Field(default=None, description="From the redirect; exchanged once, then dropped.")
    bank: str | None = Field(default=None, description="Name of the bank, as Enable Banking lists it.")
    valid_until: datetime | None = Field(default=None, description="When the consent ends (UTC).")
    accounts: tuple[EnableBankingAccount, ...] = Field(default=(), description="The accounts of the consent.")
    manners: BankManners = Field(default=BankManners(), description="How the bank wants to be asked (learned).")
    trust_references: bool = Field(
        default=False,
        description="Take the bank's entry references as identities; only for a bank whose references never change.",
    )

    @model_validator(mode="after")
    def _has_a_session(self) -> "EnableBankingConfig":
        if self.session_id is None and self.code is None:
            raise ValueError("session_id or code is needed")
        return self
