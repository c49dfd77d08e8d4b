"""Routes of connectors: what can be linked, and the form that a person fills in."""

from fastapi import APIRouter

from worker.api.connection_schemas import ConnectorFieldOut, ConnectorOut
from worker.api.paging import Listed
from worker.api.services import Services, ServicesDep, UserId
from worker.connectors.base import BankConnector
from worker.connectors.errors import ConnectorNotFoundError
from worker.connectors.form import config_schema, form_fields

router = APIRouter(tags=["connections"])


@router.get("/connectors")
def list_connectors(_user_id: UserId, services: ServicesDep) -> Listed[ConnectorOut]:
    """List the connectors that users may link, with the schemas of their configs, for a form to be drawn from."""
    registry = services.runtime.registry
    listed = []
    for name in registry.offered(services.runtime.settings.connectors_enabled):
        try:
            connector = registry.get(name)
        except ConnectorNotFoundError:
            continue  # announced by a package that does not load: `finmind-worker connectors` says why
        listed.append(_connector(services, connector))
    return Listed(items=listed)


def _connector(services: Services, connector: type[BankConnector]) -> ConnectorOut:
    fields = form_fields(connector)
    needed = {one.name for one in fields if one.by == "operator" and one.required}
    form, own = connector.form, set(services.link_apps.operator_values(connector.name))
    by_flow = form.linked_by == "browser" and form.person == ()
    return ConnectorOut(
        name=connector.name,
        display_name=connector.display_name,
        summary=form.summary,
        linked_by=form.linked_by,
        countries=form.countries,
        logo=form.logo,
        ready=services.link_apps.of(connector.name) is not None if by_flow else needed <= own,
        fields=[ConnectorFieldOut.model_validate(one, from_attributes=True) for one in fields if one.by == "person"],
        history_days=connector.capabilities.history_days,
        pending=connector.capabilities.pending,
        config_schema=config_schema(connector),
    )
