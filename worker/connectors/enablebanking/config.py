"""What an Enable Banking connection keeps: the application's key, the session of one consent, its accounts."""

from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from worker.connectors.config import ConnectorConfig


def read_key(pem: SecretStr) -> RSAPrivateKey:
    """Read the application's key. Raises: ValueError without repeating it.

    Whether its primes are primes is not checked: that takes 30 ms of every run, and it is the operator's own key.
    """
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


class EnableBankingAccount(BaseModel):
    """What Enable Banking said about an account when it was linked; asking again would cost the bank's allowance.

    uid: names the account in this session only. identification_hash: names it for ever.
    """

    uid: str
    identification_hash: str | None = None
    name: str = "Account"
    currency: str | None = None
    cash_account_type: str | None = None
    mask: str | None = None


class EnableBankingConfig(EnableBankingApp):
    """code: one-time, exchanged for a session before the first save."""

    session_id: str | None = Field(default=None, description="Session of one consent; useless without the key.")
    code: SecretStr | None = Field(default=None, description="From the redirect; exchanged once, then dropped.")
    bank: str | None = Field(default=None, description="Name of the bank, as Enable Banking lists it.")
    valid_until: datetime | None = Field(default=None, description="When the consent ends (UTC).")
    accounts: tuple[EnableBankingAccount, ...] = Field(default=(), description="The accounts of the consent.")
    trust_references: bool = Field(
        default=False,
        description="Take the bank's entry references as identities; only for a bank whose references never change.",
    )

    @model_validator(mode="after")
    def _has_a_session(self) -> "EnableBankingConfig":
        if self.session_id is None and self.code is None:
            raise ValueError("session_id or code is needed")
        return self
