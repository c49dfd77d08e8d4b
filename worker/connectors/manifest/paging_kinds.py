"""How a manifest says that a list goes on."""

from typing import Annotated, Literal

from pydantic import Field

from worker.connectors.manifest.values import ManifestPart, Path


class TokenPaging(ManifestPart):
    """The answer holds a token that leads to the next page; without one, the list is at its end."""

    kind: Literal["token"]
    next: Path = Field(description="Where the answer holds it.")
    param: str = Field(description="Parameter (or key of the body) that takes it.")
    more: Path | None = Field(default=None, description="Where the answer says whether there is more.")


class LinkPaging(ManifestPart):
    """The answer holds the address of the next page: whole, a path, or a query."""

    kind: Literal["link"]
    next: Path = Field(description="Where the answer holds it.")


class LinkHeaderPaging(ManifestPart):
    """The `Link` header holds the address of the next page (`rel="next"`)."""

    kind: Literal["link_header"]


class HeaderPaging(ManifestPart):
    """A header of the answer holds a token that leads to the next page; without it, the list is at its end."""

    kind: Literal["header"]
    header: str = Field(description="Header that holds it.")
    param: str = Field(description="Parameter (or key of the body) that takes it.")


class _Counted(ManifestPart):
    total: Path | None = Field(default=None, description="Where the answer holds the number of all records.")
    more: Path | None = Field(default=None, description="Where the answer says whether there is more.")
    last: Path | None = Field(default=None, description="Where the answer says that this is the last page.")
    short_page_ends: int | None = Field(
        default=None, ge=1, description="A page with fewer records is the last; else only an empty one is."
    )


class OffsetPaging(_Counted):
    """The next page is asked by how many records were read."""

    kind: Literal["offset"]
    param: str = Field(description="Parameter that takes the number.")
    start: int = Field(default=0, description="Of the first page.")


class NumberPaging(_Counted):
    """Pages have numbers."""

    kind: Literal["page"]
    param: str = Field(description="Parameter that takes the number.")
    start: int = Field(default=1, description="Of the first page.")
    pages: Path | None = Field(default=None, description="Where the answer holds the number of pages.")


class LastIdPaging(_Counted):
    """The next page is asked by the id of the last record."""

    kind: Literal["last_id"]
    param: str = Field(description="Parameter that takes the id.")
    id: Path = Field(description="Where a record holds it.")


class LastMomentPaging(ManifestPart):
    """A full page was cut; the rest is asked with the moment of its last record as new edge of the window."""

    kind: Literal["last_moment"]
    full_page: int = Field(ge=2, description="Records of a page that was cut.")
    moves: Literal["from", "to"] = Field(description="Edge that moves: `to` for newest first, `from` for oldest first.")


Paging = Annotated[
    TokenPaging
    | LinkPaging
    | LinkHeaderPaging
    | HeaderPaging
    | OffsetPaging
    | NumberPaging
    | LastIdPaging
    | LastMomentPaging,
    Field(discriminator="kind"),
]
