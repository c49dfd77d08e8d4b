"""Recognises the format of a statement file and calls the reader of that format."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from worker.connectors.file.camt.repeating_reports import Reports, repeating_reports
from worker.connectors.file.camt.statements import CamtOptions, read_camt
from worker.connectors.file.camt.turned_reversals import has_reversals, turned_statements
from worker.connectors.file.ofx.evidence import OfxReading, decide_ofx
from worker.connectors.file.ofx.statements import OfxReader
from worker.connectors.file.qif.evidence import QifReading, decide_qif
from worker.connectors.file.qif.statements import QifReader
from worker.connectors.file.repeated_statements import without_overlap
from worker.connectors.file.statement.accounting import PartCounter
from worker.connectors.file.statement.encodings import Encoding, detect_encoding, head_of, text_chunks, text_lines
from worker.connectors.file.statement.errors import StatementError
from worker.connectors.file.statement.events import Event, Note
from worker.connectors.file.statement.files import Member, is_spreadsheet, open_member
from worker.connectors.file.swift.statements import SwiftReader
from worker.connectors.file.table.decisions import Hints
from worker.connectors.file.table.profile import Profile
from worker.connectors.file.table.profile_files import built_in_profiles
from worker.connectors.file.table.row_kinds import looks_like_booking
from worker.connectors.file.table.sheets import sheets_of
from worker.connectors.file.table.sources import CsvSource, SheetSource, TableSource
from worker.connectors.file.table.tables import Table, read_table, understand_table


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
    reports: Reports | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    """A file and how it is going to be read.

    Attributes:
        tables: Layout and decisions of each table: one of a CSV file, several sheets; none for other formats.
        repeating: Reports of a CAMT.052 that repeat the entries of earlier ones; None for other files.
        unread: Names of sheets that hold something, but no table of bookings.
        turned: Statements of a CAMT file whose reversals keep the direction of the original booking.
        qif: How the days and amounts of a QIF file are written.
        ofx: How the records of an OFX file are read.
    """

    member: Member
    format: Format
    encoding: Encoding
    tables: tuple[Table, ...] = ()
    unread: tuple[str, ...] = ()
    repeating: frozenset[int] | None = None
    ofx: OfxReading | None = None
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
_INTRADAY = re.compile(r"camt\.052|<(?:\w+:)?BkToCstmrAcctRpt")
_WEB_PAGE = (
    "is a web page: the download failed or needs a login; where a bank sends its table as a page, open it in a"
    " spreadsheet program and save it as XLSX or CSV"
)
_OLD_SHEET = "is a spreadsheet of 2003 in XML: open it in a spreadsheet program and save it as XLSX or CSV"
# What the beginning of a file shows, in this order: its format, or why it is refused.
_SIGNS: tuple[tuple[re.Pattern[str], Format | str], ...] = (
    (re.compile(r"(?i)OFXHEADER|DATA:OFXSGML|<OFX\s*>|<\?OFX"), Format.OFX),
    (re.compile(r"camt\.05\d|<(?:\w+:)?BkToCstmr"), Format.CAMT),
    (re.compile(r"(?i)<!doctype html|<html"), _WEB_PAGE),
    (re.compile(r"urn:schemas-microsoft-com:office:spreadsheet"), _OLD_SHEET),
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


def check_beginning(member: Member) -> None:
    """Refuse a file whose beginning shows that it is no statement. Raises: StatementError."""
    if not is_spreadsheet(member):
        sniff(head_of(member, detect_encoding(member).name))


def understand(member: Member, choices: Choices) -> Understood:
    """Find out how a file is to be read.

    Raises: StatementError saying why it is refused, with the line where there is one.
    """
    if is_spreadsheet(member):
        return _sheets(member, choices)
    found = detect_encoding(member)
    encoding = Encoding(choices.encoding, sure=True) if choices.encoding and found.name != "utf-8-sig" else found
    head = head_of(member, encoding.name)
    kind = sniff(head)
    if kind is Format.OFX:
        return Understood(member=member, format=kind, encoding=encoding, ofx=_ofx(member, encoding, choices))
    if kind is Format.QIF:
        with open_member(member) as stream:
            hints = choices.hints
            qif = decide_qif(text_lines(stream, encoding.name), hints.order, hints.decimal, hints.positive_is)
        return Understood(member=member, format=kind, encoding=encoding, qif=qif)
    if kind is Format.CAMT:
        turned = _turned(member, choices)
        repeating = _repeating(member, choices, turned) if _INTRADAY.search(head) else None
        return Understood(member=member, format=kind, encoding=encoding, turned=turned, repeating=repeating)
    if kind is not Format.CSV:
        return Understood(member=member, format=kind, encoding=encoding)
    profile = choices.profile
    if profile is not None and profile.encoding and not choices.encoding:
        encoding = Encoding(profile.encoding, sure=True)
    table = _csv_table(CsvSource(member, encoding.name), encoding, choices)
    return Understood(member=member, format=kind, encoding=encoding, tables=(table,))


def _csv_table(source: CsvSource, encoding: Encoding, choices: Choices) -> Table:
    """Understand a CSV file; a refusal says when its letters may have been read wrongly."""
    try:
        return _table(source, choices)
    except StatementError as error:
        if encoding.sure:
            raise
        hint = f"{error.reason} (not UTF-8, read as {encoding.name}: state --encoding if letters are wrong)"
        raise StatementError(hint, line=error.line, doubts=error.doubts) from None


def _table(source: TableSource, choices: Choices) -> Table:
    return understand_table(
        source, choices.profiles, chosen=choices.profile, stated=choices.columns, hints=choices.hints
    )


def _sheets(member: Member, choices: Choices) -> Understood:
    """Understand every sheet that holds a table of bookings.

    Raises: StatementError when none does, or one that seems to hold bookings cannot be understood.
    """
    tables, unread, refusal = [], [], None
    for name, hidden_rows in sheets_of(member):
        source = SheetSource(member, name, hidden_rows)
        try:
            tables.append(_table(source, choices))
        except StatementError as error:
            head = source.heads()[","]
            if any(looks_like_booking(record) for record in head):
                raise StatementError(f"sheet '{name}': {error.reason}", line=error.line, doubts=error.doubts) from None
            refusal = refusal or error
            unread += [name] if any(not record.blank for record in head) else []
    if not tables:
        raise refusal or StatementError("is a spreadsheet without a sheet")
    encoding = Encoding("utf-8", sure=True)
    return Understood(member=member, format=Format.SHEET, encoding=encoding, tables=tuple(tables), unread=tuple(unread))


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


def _repeating(member: Member, choices: Choices, turned: frozenset[int]) -> frozenset[int]:
    with open_member(member) as stream:
        return repeating_reports(read_camt(stream, _camt_options(choices, turned)), choices.reports)


def _ofx(member: Member, encoding: Encoding, choices: Choices) -> OfxReading:
    def chunks() -> Iterator[str]:
        with open_member(member) as stream:
            yield from text_chunks(stream, encoding.name)

    return decide_ofx(chunks, choices.hints.decimal, choices.hints.direction_from)


def read(understood: Understood, choices: Choices) -> Iterator[Event]:
    """Yield the events of a file, in bounded memory.

    Raises: StatementError with the line where the file breaks; nothing read before is to be used then.
    """
    if not understood.encoding.sure and understood.format is not Format.CAMT:
        name = understood.encoding.name
        yield Note(message=f"not UTF-8, read as {name}: state --encoding if letters are wrong")
    for sheet in understood.unread:
        yield Note(message=f"sheet '{sheet}' holds no table of bookings: it is not read")
    if understood.tables:
        decided = [table.decisions for table in understood.tables]
        # where balances stand beside the rows, they show which rows are the same
        put_together = any(one.repeats_header for one in decided) and not any(one.chain for one in decided)
        events = _read_tables(understood.tables)
        yield from without_overlap(events) if put_together else events
        return
    with open_member(understood.member) as stream:
        match understood.format:
            case Format.CAMT:
                events = read_camt(stream, _camt_options(choices, understood.turned))
                yield from without_overlap(events, understood.repeating) if understood.repeating is not None else events
            case Format.OFX:
                reader = OfxReader(understood.ofx, choices.hints.currency)
                events = reader.events(text_chunks(stream, understood.encoding.name))
                several = understood.ofx is None or understood.ofx.several_statements
                yield from without_overlap(events) if several else events  # it remembers every row
            case Format.QIF if understood.qif is not None:
                qif = QifReader(understood.qif, choices.hints.currency)
                yield from qif.events(text_lines(stream, understood.encoding.name))
            case _:
                swift = SwiftReader(choices.hints.currency)
                yield from swift.events(text_lines(stream, understood.encoding.name))
