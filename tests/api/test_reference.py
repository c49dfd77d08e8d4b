"""`/docs` shows every operation of the contract, and its examples fit the contract."""

import json
import re

import pytest
from openapi_schema_validator import OAS31Validator

from worker.api.reference import example_of, kind_of, operations_by_tag


def test_every_operation_and_event_is_on_the_page_and_nothing_is_loaded_from_elsewhere(client):
    page = client.get("/docs")
    document = client.get("/bank-connections/openapi.json").json()
    for path, methods in document["paths"].items():
        for method in methods:
            assert f"<strong>{method.upper()}</strong> {path}<" in page.text
    assert all(f"<code>{name}</code>" in page.text for name in document["webhooks"])
    assert set(re.findall(r'(?:src|href)="([^"#]+)"', page.text)) == {
        "/docs/style.css",
        "/bank-connections/openapi.json",
    }
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert client.get("/docs/style.css").headers["content-type"].startswith("text/css")


def test_the_example_of_every_answer_fits_its_schema(app):
    document = app.openapi()
    shown = [one for group in operations_by_tag(document).values() for one in group if one.example]
    assert shown
    for operation in shown:
        responses = document["paths"][operation.path][operation.method.lower()]["responses"]
        good = next(one for status, one in responses.items() if status.startswith("2"))
        schema = good["content"]["application/json"]["schema"]
        validator = OAS31Validator({**schema, "components": document["components"]})
        assert list(validator.iter_errors(json.loads(operation.example))) == [], operation.id


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        ({"type": "string", "format": "date"}, "string (date)"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"type": "array", "items": {"type": "integer"}}, "list of integer"),
        ({"enum": ["a", "b"]}, "a | b"),
        ({}, "any"),
    ],
)
def test_a_type_is_said_in_words(schema, kind):
    assert kind_of({}, schema) == kind


def test_an_example_that_contains_itself_ends():
    tree = {"type": "object", "properties": {"child": {"$ref": "#/components/schemas/Tree"}}}
    document = {"components": {"schemas": {"Tree": tree}}}
    assert "child" in example_of(document, {"$ref": "#/components/schemas/Tree"})
