"""What a person gave, checked against the model it must fit; errors name fields, never values."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from worker.credentials import secrets_of
from worker.errors import InvalidRequestError
from worker.redaction import remember

ModelT = TypeVar("ModelT", bound=BaseModel)


def read(model: type[ModelT], given: Mapping[str, Any], *, what: str) -> ModelT:
    """Validate `given`. what: how it is called in the error. Raises: InvalidRequestError."""
    try:
        valid = model.model_validate(given)
    except ValidationError as error:
        problem = describe_invalid(error)
    else:
        remember(secrets_of(valid))
        return valid
    raise InvalidRequestError(f"{what}: {problem}")  # outside the handler: the cause would carry the values along


def describe_invalid(error: ValidationError) -> str:
    """Say which fields are wrong and why, without the values that were given."""
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'as a whole'}: {problem['msg']}" for problem in problems)
