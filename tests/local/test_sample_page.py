"""A person goes through the sample page of `up --demo` in a browser, over the real workers."""

import re
import socket
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psycopg2
import pytest

from tests.browser import CHROMIUM, WIDTHS
from tests.local.up_process import Up
from tests.waiting import PATIENCE_S

pytestmark = [
    pytest.mark.processes,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: package chromium)"),
]
STATEMENT = b"Date;Text;Amount\n03/04/2026;Corner shop;-12.50\n05/06/2026;Salary;2000.00\n"


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="finmind-test-", ignore_cleanup_errors=True) as directory:
        path = Path(directory)
        path.chmod(0o711)
        yield path


@pytest.fixture(scope="module")
def address(home: Path) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "finmind-worker"), "up", "--demo", "--no-flower"]
    # The tests load in a minute more pages than a person does.
    up = Up(command, home, API_PORT=str(port), API_REQUESTS_PER_MINUTE="5000")
    up.wait_for("everything is up")
    assert f"a person's sample page: http://127.0.0.1:{port}/sample" in up.output
    yield f"http://127.0.0.1:{port}/sample"
    up.process.terminate()
    assert up.ended() == 0


@pytest.fixture(params=[("desk", "light"), ("phone", "dark")], ids=" ".join)
def screen(request, chromium, address):
    width, scheme = request.param
    size = dict(zip(("width", "height"), WIDTHS[width], strict=True))
    context = chromium.new_context(viewport=size, color_scheme=scheme)
    context.set_default_timeout(PATIENCE_S * 1000)
    opened = context.new_page()
    complaints = []
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto(address)
    opened.locator("#bank-list li").first.wait_for()
    yield opened
    context.close()
    assert complaints == []


def _card(screen, bank):
    return screen.locator("#bank-list li", has=screen.locator("strong", has_text=re.compile(f"^{bank}$"))).last


def test_the_page_is_accessible_and_fits_its_screen(screen):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(screen)
    assert found.violations_count == 0, found.generate_report()
    assert screen.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_person_connects_a_bank_and_reads_what_was_done_with_each_row(screen):
    screen.get_by_label("Bank or service").select_option("mock")
    screen.get_by_role("button", name="Connect").click()
    screen.get_by_text("Mock bank: ").wait_for()
    assert "new" in screen.locator("#message").inner_text()
    imported = screen.locator("#run-list li", has=screen.locator("strong", has_text=re.compile("^Mock bank$")))
    imported.first.get_by_role("button", name="Rows").click()
    story = screen.get_by_role("dialog")
    story.get_by_text("Standing order").first.wait_for()  # its legs come first, as they were changed
    assert story.get_by_role("row").count() > 10
    story.get_by_role("button", name="Close").click()
    screen.once("dialog", lambda asked: asked.accept())
    _card(screen, "Mock bank").get_by_role("button", name="Remove").click()
    screen.get_by_text("Mock bank is removed.").wait_for()


def test_a_bank_that_wants_its_person_says_so_and_takes_a_new_log_in(screen):
    card = _card(screen, "Expired Bank")
    card.get_by_text("waits for you to log in again").wait_for()
    card.get_by_role("button", name="Log in again").click()
    card.get_by_role("button", name="Save").wait_for()


def test_a_statement_is_understood_after_one_answer_and_a_typed_expense_is_asked_about(screen, home, request):
    own = f"Corner shop {request.node.callspec.id}"
    _type_expense(home, "Lunch with Ann")
    rows = STATEMENT.replace(b"Corner shop", own.encode()).replace(b"Salary", request.node.callspec.id.encode())
    screen.locator("#chosen").set_input_files({"name": "mine.csv", "mimeType": "text/csv", "buffer": rows})
    question = screen.get_by_label("In which order is")
    question.select_option("dmy")
    screen.get_by_text("2 rows, 2026-04-03 to 2026-06-05").wait_for()
    screen.locator("#understood").get_by_role("button", name="Import").click()
    screen.locator("#message").get_by_text("new").wait_for()
    card = screen.locator("#question-list li", has_text=own)
    card.get_by_role("button", name="Yes").click()
    screen.get_by_text("Done.").wait_for()
    card.wait_for(state="detached")


def _type_expense(home: Path, notes: str) -> None:
    """Write an expense as the person would in FinMind, a few days before the bank's row."""
    lines = (home / ".finmind" / "env").read_text().splitlines()
    address = dict(line.split("=", 1) for line in lines)["DATABASE_URL"].replace("+psycopg2", "")
    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO expenses (user_id, amount, currency, expense_type, notes, spent_at)"
            " SELECT id, 12.50, 'EUR', 'EXPENSE', %s, DATE '2026-04-01' FROM users",
            (notes,),
        )
    connection.close()


def test_a_person_saves_everything_that_is_kept_about_them(screen):
    with screen.expect_download() as saved:
        screen.get_by_role("button", name="Download my data").click()
    assert re.fullmatch(r"finmind-export-\d+\.zip", saved.value.suggested_filename)
    with zipfile.ZipFile(saved.value.path()) as archive:
        assert {"manifest.json", "bank_connections.csv"} <= set(archive.namelist())


def test_the_token_is_given_on_this_machine_only(address):
    assert httpx2.post(f"{address}/token").status_code == 200
    assert httpx2.post(f"{address}/token", headers={"Host": "rebound.example"}).status_code == 404
    assert httpx2.get(f"{address}/../ops").status_code in {401, 404}
