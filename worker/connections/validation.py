"""Validates given values by a model. Errors name fields, never values, which may be secret."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from worker.credentials import secrets_of
from worker.errors import InvalidFieldsError
from worker.redaction import remember

ModelT = TypeVar("ModelT", bound=BaseModel)


def read(model: type[ModelT], given: Mapping[str, Any], *, what: str, place: str = "body") -> ModelT:
    """Return `given` as a `model`.

    Args:
        what: The name of the whole in errors.
        place: Where its fields lie in the request.

    Raises: InvalidFieldsError.
    """
    try:
        valid = model.model_validate(given)
    except ValidationError as error:
        problem, fields = describe_invalid(error), _by_field(error, place)
    else:
        remember(secrets_of(valid))
        return valid
    raise InvalidFieldsError(
        f"{what}: {problem}", fields
    )  # outside the handler, because the cause would contain the values


def _by_field(error: ValidationError, place: str) -> dict[str, str]:
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return {".".join([place, *map(str, problem["loc"])]): problem["msg"] for problem in problems}


def describe_invalid(error: ValidationError) -> str:
    """Return which fields are wrong and why, without their values."""
    problems = error.errors(include_input=False, include_context=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, problem['loc'])) or 'as a whole'}: {problem['msg']}" for problem in problems)
