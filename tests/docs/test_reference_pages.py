"""docs/reference is what the code says: written by `tools.reference`, and complete."""

import pytest

from tools.reference import FOLDER, http_page, pages


@pytest.fixture(scope="module")
def written():
    return pages()


def test_the_pages_are_what_the_code_says(written):
    committed = {page.name: page.read_text(encoding="utf-8") for page in FOLDER.glob("*.md")}
    assert committed == written, "run: python -m tools.reference"


def test_the_names_that_other_programs_rely_on_are_there(written):
    for name in ("WorkerClient", "RunRequest", "import_connection", "publish_event", "BankConnector", "RateLimitError"):
        assert f"\n### {name}\n" in written["python.md"], name


def test_an_operation_shows_its_parameters_body_and_answer():
    answer = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Bank"}}}}
    wait = {"name": "wait", "in": "query", "schema": {"type": "integer"}, "description": "How long."}
    bank = {"description": "A bank.", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    document = {
        "info": {"summary": "Banks."},
        "paths": {"/banks": {"get": {"description": "List.", "parameters": [wait], "responses": {"200": answer}}}},
        "webhooks": {"bank.down": {"post": {"summary": "A bank is down."}}},
        "components": {"schemas": {"Bank": bank}},
    }
    lines = http_page(document).splitlines()
    wanted = ["### `GET /banks`", "- `wait` (query, integer): How long.", "- answer 200: [Bank](#bank)", "### Bank"]
    assert [line for line in lines if line in wanted] == wanted
    assert {"- `bank.down`: A bank is down.", "- `name` (string, required)"} <= set(lines)
