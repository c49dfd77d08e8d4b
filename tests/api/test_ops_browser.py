"""The operator's pages in a real browser: accessible, usable by keyboard, and kept current by a script."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from tests.api.conftest import token
from tests.api.ops_rows import fill
from tests.api.serving import serving
from tests.browser import CHROMIUM, WIDTHS
from tests.waiting import PATIENCE_S
from worker.runtime import open_runtime

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: package chromium)"),
]
FOLLOW_RUN = Path(__file__).parents[2] / "examples" / "finmind" / "page" / "follow_run.js"


@pytest.fixture
def connection_id(sessions, user_id):
    with sessions() as session:
        return fill(session, user_id, runs=60 if "PICTURES" in os.environ else 12)


@pytest.fixture
def address(settings) -> Iterator[str]:
    from worker.api.app import create_app

    configured = settings.model_copy(update={"ops_basic_auth": type(settings.redis_url)("ops:wonderful")})
    with serving(create_app(open_runtime(configured))) as port:
        yield f"http://127.0.0.1:{port}/ops"


@pytest.fixture(params=[("desk", "light"), ("phone", "dark")], ids=" ".join)
def screen(request, chromium, address, connection_id):  # noqa: ARG001 - the server ends after the page
    width, scheme = request.param
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    context = chromium.new_context(
        http_credentials={"username": "ops", "password": "wonderful"}, viewport=size, color_scheme=scheme
    )
    context.set_default_timeout(PATIENCE_S * 1000)
    opened = context.new_page()
    complaints = []
    opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    context.close()
    assert complaints == []


def _paths(connection_id, sessions):
    with sessions() as session:
        run_id = session.scalar(text("SELECT run_id FROM bank_import_run_accounts"))
        account_id = session.scalar(text("SELECT id FROM bank_accounts"))
        row_id = session.scalar(text("SELECT max(id) FROM bank_transactions"))
    return ["", "/runs", f"/runs/{run_id}", "/connections", f"/connections/{connection_id}", "/deliveries", "/work",
            "/institutions", "/institutions/one?connector=mock&name=Blue+Bank+AG", "/institutions/one?connector=mock",
            f"/accounts/{account_id}", f"/transactions/{row_id}"]  # fmt: skip


def test_every_page_is_accessible_and_fits_its_screen(screen, address, connection_id, sessions):
    from axe_playwright_python.sync_playwright import Axe

    for path in _paths(connection_id, sessions):
        screen.goto(address + path)
        found = Axe().run(screen)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth"), path


def test_an_operator_finds_a_run_by_its_error_and_asks_for_it_again(screen, address, sessions):
    screen.goto(address)
    screen.get_by_role("navigation").get_by_role("link", name="Runs").click()
    screen.get_by_role("searchbox").fill("does not answer")
    screen.get_by_label("Since").select_option("all")
    screen.get_by_role("checkbox", name="failed").check()
    screen.get_by_role("button", name="Show").click()
    screen.wait_for_url("**status=failed**")
    assert set(screen.locator("td[data-label=State]").all_inner_texts()) == {"failed provider_unavailable"}
    screen.locator("td[data-label=Connection]", has_text="Red Bank").first.locator("..").locator(
        "td[data-label=Run] a"
    ).click()
    screen.get_by_role("button", name="Ask again").click()
    screen.get_by_text("Ask for the same again?").wait_for()
    screen.get_by_role("button", name="Ask again").click()
    screen.get_by_text("It was asked for again.").wait_for()
    with sessions() as session:
        assert session.scalar(text("SELECT count(*) FROM bank_import_runs WHERE trigger = 'retry'")) == 1
        actors = session.scalars(text("SELECT DISTINCT actor FROM credential_audit WHERE action = 'operated'")).all()
    assert actors == ["ops:ops"]


def test_a_form_that_is_filled_in_while_the_page_is_read_again_keeps_its_words(screen, address):
    held = []

    def hold(route):
        held.append(route) if route.request.resource_type == "fetch" else route.continue_()

    screen.route("**/ops/runs", hold)
    with screen.expect_request(lambda request: request.resource_type == "fetch"):
        screen.goto(address + "/runs")
    screen.get_by_role("searchbox").fill("does not answer")
    with screen.expect_request_finished(lambda request: request.resource_type == "fetch"):
        held[0].continue_()
    screen.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert screen.get_by_role("searchbox").input_value() == "does not answer"


def test_the_keyboard_alone_reaches_the_content_and_the_pages(screen, address):
    screen.goto(address)
    screen.keyboard.press("Tab")
    assert screen.evaluate("document.activeElement.textContent") == "Skip to the content"
    names = []
    for _ in range(7):
        screen.keyboard.press("Tab")
        names.append(screen.evaluate("document.activeElement.textContent"))
    assert names == ["FinMind bank worker", "Overview", "Runs", "Connections", "Banks", "Deliveries", "Work"]


def test_an_open_page_follows_what_happens(screen, address, connection_id, sessions):
    screen.goto(f"{address}/connections/{connection_id}")
    with sessions() as session:
        session.execute(
            text(
                "UPDATE bank_connections SET status = 'paused', status_message = 'Paused by somebody',"
                " updated_at = now() WHERE id = :id"
            ),
            {"id": connection_id},
        )
    screen.get_by_text("Paused by somebody").wait_for()


def test_a_page_of_the_web_app_follows_a_run_with_the_users_token(chromium, address, connection_id, user_id, sessions):
    with sessions() as session:
        run_id = session.scalar(
            text("SELECT id FROM bank_import_runs WHERE status = 'deferred' AND connection_id = :id"),
            {"id": connection_id},
        )
    context = chromium.new_context(bypass_csp=True)
    context.set_default_timeout(PATIENCE_S * 1000)
    opened = context.new_page()
    opened.goto(address.removesuffix("/ops") + "/docs")
    module = FOLLOW_RUN.read_text().replace("export async", "async")
    follow = f"""async ({{token, runId}}) => {{ {module}
        let asked = 0; const seen = []; const end = await followRun({{
            accessToken: async () => {{ asked += 1; return token; }}, runId, show: (run) => seen.push(run.status)}});
        return {{seen, end, asked}}; }}"""
    busy = [503]
    opened.route(
        "**/progress",
        lambda route: route.fulfill(status=busy.pop(), json={"message": "busy"}) if busy else route.continue_(),
    )
    shown = opened.evaluate(follow, {"token": token(user_id), "runId": str(run_id)})
    assert shown == {"seen": ["deferred"], "end": {"status": "deferred", "code": "rate_limited"}, "asked": 2}
    refused = f"""async ({{token, runId}}) => {{ {module}
        try {{ await followRun({{accessToken: async () => token, runId, show: () => 0}}); }}
        catch (error) {{ return error.message; }} }}"""
    assert opened.evaluate(refused, {"token": "none", "runId": str(run_id)}) == "a valid token is needed"
    context.close()


@pytest.mark.skipif("PICTURES" not in os.environ, reason="PICTURES names no folder for the documentation's pictures")
def test_pictures_for_the_documentation_are_drawn(screen, address, connection_id, sessions):
    _, runs, run, _, connection, *_ = _paths(connection_id, sessions)
    names = {"ops-phone-dark": ""} if screen.viewport_size["width"] < 1000 else {
        "ops-light": "", "ops-runs": runs, "ops-connection": connection, "ops-run": run}  # fmt: skip
    for name, path in names.items():
        screen.goto(address + path)
        screen.screenshot(path=f"{os.environ['PICTURES']}/{name}.png")
