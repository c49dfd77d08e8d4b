"""Small XLSX workbooks, written part by part, for tests."""

import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from string import ascii_uppercase
from typing import IO, NamedTuple
from xml.sax.saxutils import escape

_FIRST = date(1899, 12, 30)
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_ODS = ("office", "table", "text")
_KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"


class Styled(NamedTuple):
    """A number in a cell whose format writes a sign or code behind it: `USD` or `%`."""

    number: float
    behind: str


Cell = str | float | date | Styled | None
_STYLES = {"USD": 2, "%": 3}


def sparse_xlsx(*places: str) -> bytes:
    """Return a workbook with a cell at each of these places (`A1`) and nothing between."""
    rows = "".join(
        f'<row r="{place.lstrip(ascii_uppercase)}"><c r="{place}" t="inlineStr"><is><t>x</t></is></c></row>'
        for place in places
    )
    target = BytesIO()
    _write_parts(target, {"Sheet1": rows})
    return target.getvalue()


def sparse_ods(*, rows: int, columns: int) -> bytes:
    """Return an ODS file with one cell that is repeated."""
    spaces = "".join(f' xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"' for name in _ODS)
    cell = f'<table:table-cell office:value-type="string" table:number-columns-repeated="{columns}">'
    row = f'<table:table-row table:number-rows-repeated="{rows}">{cell}<text:p>x</text:p></table:table-cell>'
    table = f'<table:table table:name="S">{row}</table:table-row></table:table>'
    content = f"<office:document-content{spaces}><office:body><office:spreadsheet>{table}"
    target = BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", f"{content}</office:spreadsheet></office:body></office:document-content>")
        archive.writestr("META-INF/manifest.xml", "<manifest/>")
    return target.getvalue()


def write_sheets(path: Path, sheets: Mapping[str, Sequence[Sequence[Cell]]]) -> Path:
    """Write a workbook; days become cells with the format of a day."""
    with path.open("wb") as target:
        _write_parts(
            target, {name: "".join(_row(at, row) for at, row in enumerate(sheets[name], 1)) for name in sheets}
        )
    return path


def _write_parts(target: IO[bytes], sheets: Mapping[str, str]) -> None:
    names = list(sheets)
    listed = "".join(f'<sheet name="{name}" sheetId="{n}" r:id="r{n}"/>' for n, name in enumerate(names, 1))
    links = "".join(
        f'<Relationship Id="r{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
        for n in range(1, len(names) + 1)
    )
    links += f'<Relationship Id="styles" Type="{_OFFICE}/styles" Target="styles.xml"/>'
    kinds = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_KIND}.worksheet+xml"/>'
        for n in range(1, len(names) + 1)
    )
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{_TYPES}"><Default Extension="rels" ContentType="application/vnd.open'
        f'xmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="{_KIND}.sheet.main'
        f'+xml"/><Override PartName="/xl/styles.xml" ContentType="{_KIND}.styles+xml"/>{kinds}</Types>',
        "_rels/.rels": f'<Relationships xmlns="{_RELATIONS}"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_RELATIONS}">{links}</Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{_MAIN}"><numFmts count="1"><numFmt numFmtId="165" formatCode="#,##0.00 '
        '[$USD]"/></numFmts><cellXfs count="4"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/>'
        '<xf numFmtId="165" applyNumberFormat="1"/><xf numFmtId="10" applyNumberFormat="1"/></cellXfs></styleSheet>',
    }
    for number, name in enumerate(names, 1):
        parts[f"xl/worksheets/sheet{number}.xml"] = (
            f'<worksheet xmlns="{_MAIN}"><sheetData>{sheets[name]}</sheetData></worksheet>'
        )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, text in parts.items():
            archive.writestr(part, f"{_HEAD}{text}")


def _row(number: int, cells: Sequence[Cell]) -> str:
    written = "".join(_cell(f"{chr(65 + at)}{number}", cell) for at, cell in enumerate(cells) if cell is not None)
    return f'<row r="{number}">{written}</row>'


def _cell(place: str, cell: Cell) -> str:
    if isinstance(cell, str):
        return f'<c r="{place}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    if isinstance(cell, date):
        day = cell.date() if isinstance(cell, datetime) else cell
        return f'<c r="{place}" s="1"><v>{(day - _FIRST).days}</v></c>'
    if isinstance(cell, Styled):
        return f'<c r="{place}" s="{_STYLES[cell.behind]}"><v>{cell.number}</v></c>'
    return f'<c r="{place}"><v>{cell}</v></c>'
