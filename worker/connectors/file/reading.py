"""Recognises the format of a statement file and calls the reader of that format."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from worker.connectors.file.camt.reversals import has_reversals, turned_statements
from worker.connectors.file.camt.statements import CamtOptions, read_camt
from worker.connectors.file.ofx.statements import OfxReader
from worker.connectors.file.ofx.values import decimal_mark
from worker.connectors.file.qif.statements import QifReading, decide_qif, read_qif
from worker.connectors.file.statement.amounts import Mark
from worker.connectors.file.statement.encodings import Encoding, detect_encoding, head_of, text_chunks, text_lines
from worker.connectors.file.statement.events import Event, Note, PartCounter, StatementError
from worker.connectors.file.statement.files import Member, is_spreadsheet, open_member
from worker.connectors.file.swift.statements import read_swift
from worker.connectors.file.table.decisions import Hints
from worker.connectors.file.table.layout import looks_like_booking
from worker.connectors.file.table.profile import Profile, built_in_profiles
from worker.connectors.file.table.rows import Table, read_table, understand_table
from worker.connectors.file.table.sources import CsvSource, SheetSource, TableSource, open_workbook


class Format(StrEnum):
    """The formats of statement files."""

    OFX = "ofx"
    CAMT = "camt"
    MT940 = "mt940"
    QIF = "qif"
    CSV = "csv"
    SHEET = "spreadsheet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What a person has stated about the files; everything else is found out."""

    profile: Profile | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    profiles: tuple[Profile, ...] = field(default_factory=built_in_profiles)
    hints: Hints = field(default_factory=Hints)
    encoding: str | None = None
    notifications: bool = False
    split_batches: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A file and how it is going to be read.

    Attributes:
        tables: Layout and decisions of each table: one of a CSV file, several sheets; none for other formats.
        turned: Statements of a CAMT file whose reversals keep the direction of the original booking.
        qif: How the days and amounts of a QIF file are written.
        mark: Decimal mark that the amounts of an OFX file prove, or that a person states.
    """

    member: Member
    format: Format
    encoding: Encoding
    tables: tuple[Table, ...] = ()
    mark: Mark | None = None
    turned: frozenset[int] = frozenset()
    qif: QifReading | None = None

    @property
    def confidence(self) -> float:
        """How sure the layout is."""
        return min((table.decisions.confidence for table in self.tables), default=1.0)

    @property
    def table(self) -> Table | None:
        """The first table."""
        return self.tables[0] if self.tables else None

    @property
    def profile(self) -> Profile | None:
        """The CSV profile in use."""
        return self.table.layout.profile if self.table else None


_CHUNK_BYTES = 1024**2
# What the beginning of a file shows, in this order: its format, or why it is refused.
_SIGNS: tuple[tuple[re.Pattern[str], Format | str], ...] = (
    (re.compile(r"(?i)OFXHEADER|<OFX>|<\?OFX"), Format.OFX),
    (re.compile(r"camt\.05\d|<(?:\w+:)?BkToCstmr"), Format.CAMT),
    (re.compile(r"(?i)<!doctype html|<html"), "is a web page: the download of the statement failed or needs a login"),
    (re.compile(r"\A\s*[\[{]\s*[\"{\[]"), "is JSON, not a statement file"),
    (re.compile(r"pain\.00\d"), "is a payment order (pain), not a statement"),
    (re.compile(r"(?im)^\ufeff?!(?:type:|account|option:)"), Format.QIF),
    (re.compile(r"(?m)^(?:\{1:F|:(?:20|25|28C?|60[FM]|61|62[FM]|86):)"), Format.MT940),
)


def sniff(head: str) -> Format:
    """Say which format a file has by its beginning; what names no format may still be CSV.

    Raises: StatementError for files that are something else.
    """
    for pattern, what in _SIGNS:
        if pattern.search(head):
            if isinstance(what, Format):
                return what
            raise StatementError(what)
    if head.lstrip("\ufeff \r\n\t").startswith("<"):
        if re.search(r"(?i)<!DOCTYPE|<!ENTITY", head):
            raise StatementError("declares a document type or entities; statements do not")
        raise StatementError("is XML, but neither OFX nor CAMT")
    return Format.CSV


def understand(member: Member, choices: Choices) -> Understood:
    """Find out how a file is to be read.

    Raises: StatementError saying why it is refused, with the line where there is one.
    """
    if is_spreadsheet(member):
        return _sheets(member, choices)
    found = detect_encoding(member)
    encoding = Encoding(choices.encoding, sure=True) if choices.encoding and found.name != "utf-8-sig" else found
    kind = sniff(head_of(member, encoding.name))
    if kind is Format.OFX:
        return Understood(member=member, format=kind, encoding=encoding, mark=_ofx_mark(member, encoding, choices))
    if kind is Format.QIF:
        with open_member(member) as stream:
            qif = decide_qif(text_lines(stream, encoding.name), choices.hints.order, choices.hints.decimal)
        return Understood(member=member, format=kind, encoding=encoding, qif=qif)
    if kind is Format.CAMT:
        return Understood(member=member, format=kind, encoding=encoding, turned=_turned(member, choices))
    if kind is not Format.CSV:
        return Understood(member=member, format=kind, encoding=encoding)
    profile = choices.profile
    if profile is not None and profile.encoding and not choices.encoding:
        encoding = Encoding(profile.encoding, sure=True)
    table = _table(CsvSource(member, encoding.name), choices)
    return Understood(member=member, format=kind, encoding=encoding, tables=(table,))


def _table(source: TableSource, choices: Choices) -> Table:
    return understand_table(
        source, choices.profiles, chosen=choices.profile, stated=choices.columns, hints=choices.hints
    )


def _sheets(member: Member, choices: Choices) -> Understood:
    """Understand every sheet that holds a table of bookings.

    Raises: StatementError when none does, or one that seems to hold bookings cannot be understood.
    """
    tables, refusal = [], None
    for name in open_workbook(member).sheet_names:
        source = SheetSource(member, name)
        try:
            tables.append(_table(source, choices))
        except StatementError as error:
            if any(looks_like_booking(record) for record in source.heads()[","]):
                raise StatementError(f"sheet '{name}': {error.reason}", line=error.line, doubts=error.doubts) from None
            refusal = refusal or error
    if not tables:
        raise refusal or StatementError("is a spreadsheet without a sheet")
    encoding = Encoding("utf-8", sure=True)
    return Understood(member=member, format=Format.SHEET, encoding=encoding, tables=tuple(tables))


def _read_tables(tables: tuple[Table, ...]) -> Iterator[Event]:
    parts = PartCounter("row")
    for table in tables:
        yield from read_table(table, parts)
    yield parts.event()


def _camt_options(choices: Choices, turned: frozenset[int] = frozenset()) -> CamtOptions:
    return CamtOptions(
        notifications=choices.notifications,
        split_batches=choices.split_batches,
        currency=choices.hints.currency,
        turned=turned,
    )


def _turned(member: Member, choices: Choices) -> frozenset[int]:
    with open_member(member) as stream:
        if not has_reversals(iter(lambda: stream.read(_CHUNK_BYTES), b"")):
            return frozenset()
    with open_member(member) as stream:
        return turned_statements(read_camt(stream, _camt_options(choices)))


def _ofx_mark(member: Member, encoding: Encoding, choices: Choices) -> Mark | None:
    if choices.hints.decimal is not None:
        return choices.hints.decimal
    with open_member(member) as stream:
        return decimal_mark(text_chunks(stream, encoding.name))


def read(understood: Understood, choices: Choices) -> Iterator[Event]:
    """Yield the events of a file, in bounded memory.

    Raises: StatementError with the line where the file breaks; nothing read before is to be used then.
    """
    if not understood.encoding.sure and understood.format is not Format.CAMT:
        name = understood.encoding.name
        yield Note(message=f"not UTF-8, read as {name}: state --encoding if letters are wrong")
    if understood.tables:
        yield from _read_tables(understood.tables)
        return
    with open_member(understood.member) as stream:
        match understood.format:
            case Format.CAMT:
                yield from read_camt(stream, _camt_options(choices, understood.turned))
            case Format.OFX:
                reader = OfxReader(understood.mark, choices.hints.currency)
                yield from reader.events(text_chunks(stream, understood.encoding.name))
            case Format.QIF if understood.qif is not None:
                yield from read_qif(text_lines(stream, understood.encoding.name), understood.qif)
            case _:
                yield from read_swift(text_lines(stream, understood.encoding.name))
