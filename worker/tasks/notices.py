"""Tasks about what providers report by webhook and what the dispatcher, which uses no network, leaves to others."""

from worker.app import app
from worker.audit import acting_as
from worker.broker import FINISH_LINKS
from worker.connections.linking import read_link_apps
from worker.connections.notices.finishing import finish_hosted_links
from worker.runtime import open_link_service, process_runtime
from worker.telemetry.logs import get_logger

log = get_logger(__name__)


@app.task(name=FINISH_LINKS)
@acting_as(f"task:{FINISH_LINKS}")
def finish_links() -> None:
    """Turn links that users went through on a provider's own page into connections."""
    runtime = process_runtime()
    if runtime.settings.link_apps is None:
        return
    apps = read_link_apps(runtime.settings.link_apps)
    service = open_link_service(runtime, public_url=apps.public_url)
    linked = finish_hosted_links(service, apps, runtime.vault)
    if linked:
        log.info("links.finished", count=linked)
