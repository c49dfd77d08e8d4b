"""Base class of connector configs, which keeps secrets out of reprs, pickles and error texts."""

from collections.abc import Mapping
from typing import Any, ClassVar, NoReturn

from pydantic import BaseModel, ConfigDict, ValidationError

from worker.connectors.base import BankConnector
from worker.errors import InvalidRequestError


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


def parse_config(connector: type[BankConnector], values: Mapping[str, Any]) -> BaseModel:
    """Validate what a person gave as the connector's config.

    Raises: InvalidRequestError naming each wrong field and what is wrong with it, never its value.
    """
    try:
        return connector.Config.model_validate(values)
    except ValidationError as error:
        problems = error.errors(include_input=False, include_url=False, include_context=False)
    wrong = "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'config'}: {problem['msg']}" for problem in problems)
    raise InvalidRequestError(f"config of {connector.name}: {wrong}")
