"""The providers' published API descriptions, read from beside the checkout where they are present."""

from functools import cached_property
from typing import Any

import yaml
from openapi_schema_validator import OAS30Validator, OAS31Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.assets import ASSETS

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Published:
    """One description; without its file nothing is checked. Tests that are about checking are `beside` its `name`."""

    def __init__(self, file_name: str, *, version: str = "3.0") -> None:
        self.name = f"openapi/{file_name}"
        self.path = ASSETS / "openapi" / file_name
        self._validator = OAS31Validator if version == "3.1" else OAS30Validator

    @cached_property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = yaml.load(self.path.read_text(encoding="utf-8"), Loader=_YAML)  # safe loaders only
        return document

    @cached_property
    def _registry(self) -> Any:
        return Registry().with_resource("urn:api", Resource(contents=self.document, specification=DRAFT202012))

    def problems(self, reply: Any) -> list[str]:
        """Say where an answer differs from its schema."""
        if not self.path.is_file():
            return []
        validator = self._validator({"$ref": f"urn:api#/components/schemas/{reply.schema}"}, registry=self._registry)
        return [
            f"{'.'.join(map(str, error.absolute_path)) or 'the whole'}: {error.message[:200]}"
            for error in validator.iter_errors(reply.body)
        ]


PLAID = Published("plaid-2020-09-14.subset.yml")
ENABLE_BANKING = Published("enablebanking-1.0.0-3030f99c.yml", version="3.1")
GOCARDLESS = Published("gocardless-bank-account-data-v2.json")
