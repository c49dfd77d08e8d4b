"""Routes of banks that are linked in the browser: start a flow, and finish it."""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, BackgroundTasks, Query, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, SecretStr, StringConstraints

from worker.api.connection_schemas import NewConnectionOut
from worker.api.first_imports import AccountsWait, read_new, with_accounts
from worker.api.inputs import Input, Text
from worker.api.paging import Listed
from worker.api.services import ServicesDep, UserId
from worker.audit import acting_as
from worker.connections.linking import BroughtBack, WantedLink, abandon, finish_link, list_link_banks, start_link

router = APIRouter(prefix="/links", tags=["links"])

Linked = Annotated[str, StringConstraints(max_length=50, pattern=r"^[a-z][a-z0-9_]*$")]
Country = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
Url = Annotated[str, StringConstraints(max_length=2048, pattern=r"^https?://[\x21-\x7e]+$")]
State = Annotated[SecretStr, Field(min_length=1, max_length=200)]
OneTime = Annotated[SecretStr, Field(min_length=1, max_length=4096)]
_EXAMPLE_STATE = "xkV0tqC2mXzJx0n3Zl8WmX1dD4nR7kqQp5uV9yB2sEo"


class BankOut(BaseModel):
    """A bank that can be linked. id: `bank` of the start. consent_days: the longest validity of one consent.

    user_types: `personal` or `business` customers; empty where the provider does not state them.
    """

    id: str = Field(examples=["Nordea"])
    name: str = Field(examples=["Nordea"])
    country: str = Field(examples=["FI"])
    history_days: int | None
    consent_days: int | None = Field(examples=[180])
    user_types: list[str] = Field(examples=[["personal", "business"]])


class LinkIn(Input):
    """Whom to send where. connection_id: renew that connection in place; its accounts and history stay."""

    connector_name: Linked = Field(examples=["enablebanking"])
    bank: Text | None = Field(default=None, description="`id` of a listed bank; not for Plaid.", examples=["Nordea"])
    country: Country | None = Field(default=None, description="For Enable Banking.", examples=["FI"])
    redirect_url: Url | None = Field(
        default=None,
        description="Where the user is sent back to, as registered at the provider; optional for Plaid.",
        examples=["https://finmind.example/linked"],
    )
    connection_id: uuid.UUID | None = None
    hosted: bool = Field(
        default=False,
        strict=True,
        description="For Plaid: Link on a page of Plaid's own, named by `url`; the connection is made when it ends.",
    )
    user_type: Literal["personal", "business"] | None = Field(
        default=None, description="Kind of customer the user is at the bank; for Enable Banking, `personal` by default."
    )


class LinkOut(BaseModel):
    """Send the user to `url`, or open Plaid Link with `link_token`; keep `state` for the way back."""

    state: str = Field(examples=[_EXAMPLE_STATE])
    url: str | None = Field(examples=["https://tilisy.enablebanking.com/welcome?sessionid=73100c65"])
    link_token: str | None
    expires_at: datetime | None


class BroughtIn(Input):
    """What the user came back with; `state` is `ref` in GoCardless's redirect."""

    connector_name: Linked = Field(examples=["enablebanking"])
    state: State = Field(examples=[_EXAMPLE_STATE])
    code: OneTime | None = Field(
        default=None, description="In the redirect of Enable Banking and of logins by OAuth2.", examples=["f3b7e2"]
    )
    public_token: OneTime | None = Field(default=None, description="Of Plaid Link, for a new login.")
    display_name: Text | None = Field(default=None, examples=["Joint account"])
    institution_name: Text | None = Field(default=None, description="As Plaid Link tells it.")


class BrokenOffIn(Input):
    """The start that came to nothing."""

    connector_name: Linked = Field(examples=["enablebanking"])
    state: State = Field(examples=[_EXAMPLE_STATE])


@router.get("/banks")
def list_banks(
    user_id: UserId,  # noqa: ARG001 - only users may call it
    services: ServicesDep,
    connector_name: Annotated[Literal["enablebanking", "gocardless"], Query()],
    country: Annotated[Country, Query(description="Two letters.", examples=["FI"])],
) -> Listed[BankOut]:
    """List the banks of a country that a connector can link."""
    found = list_link_banks(services.link_service, services.link_apps, connector_name, country)
    return Listed(items=[BankOut.model_validate(bank, from_attributes=True) for bank in found])


@router.post("", status_code=201)
def begin_link(wanted: LinkIn, user_id: UserId, services: ServicesDep) -> LinkOut:
    """Begin to link a bank, or to renew a connection in place. The user has an hour."""
    with acting_as(f"api:user:{user_id}"):
        made = start_link(services.link_service, services.link_apps, WantedLink(user_id=user_id, **wanted.model_dump()))
    return LinkOut(state=made.state, url=made.url, link_token=made.link_token, expires_at=made.expires_at)


@router.post("/complete", status_code=201, response_model=NewConnectionOut)
async def complete_link(brought: BroughtIn, user_id: UserId, services: ServicesDep, wait: AccountsWait = 0) -> Response:
    """Save what the user came back with. A one-time code is exchanged once; the same request again links nothing.

    `wait` as for a new connection; one that was renewed has its accounts, and no import is asked for.
    """
    given = BroughtBack(
        user_id=user_id,
        connector_name=brought.connector_name,
        state=brought.state.get_secret_value(),
        code=_revealed(brought.code),
        public_token=_revealed(brought.public_token),
        name=brought.display_name,
        institution_name=brought.institution_name,
    )
    nudges = BackgroundTasks()

    def make() -> Response:
        with acting_as(f"api:user:{user_id}"):
            connection_id = finish_link(services.link_service, services.link_apps, given)
        made = read_new(services, user_id, connection_id, nudges if wait else None)
        headers = {"Location": f"/bank-connections/connections/{connection_id}"}
        return JSONResponse(made.model_dump(mode="json"), status_code=201, headers=headers)

    return await with_accounts(services, user_id, await run_in_threadpool(make), nudges, wait_s=wait)


@router.post("/abandon", status_code=204)
def abandon_link(broken_off: BrokenOffIn, user_id: UserId, services: ServicesDep) -> None:
    """End a flow that the user cancelled at the bank; a connection to be renewed does not change."""
    state = broken_off.state.get_secret_value()
    abandon(services.link_service, user_id=user_id, connector_name=broken_off.connector_name, state=state)


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
