"""The base of every connector's config: its secrets stay out of reprs, pickles and error texts."""

from typing import Any, ClassVar, NoReturn

from pydantic import BaseModel, ConfigDict


class ConnectorConfig(BaseModel):
    """What a connector needs to log in. Declare every secret as `SecretStr`.

    Unknown fields are refused, so that a misspelt secret is noticed when it is given and not at the next refresh.
    """

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(sorted(self.model_fields_set))})"

    __str__ = __repr__

    def __reduce_ex__(self, protocol: Any) -> NoReturn:  # noqa: ANN401 - the signature of the pickle protocol
        raise TypeError(f"{type(self).__qualname__} holds credentials: it is sealed by the vault, never pickled")
