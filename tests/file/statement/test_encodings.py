"""The code page of a file that is not UTF-8 is decided from the letters of the whole file."""

import pytest

from worker.connectors.file.statement.encodings import detect_encoding
from worker.connectors.file.statement.files import Member

TEXTS = {
    "Polish of Windows": ("cp1250", "Data;Opis;Kwota\nwpłata własna książka;żółć;ęśą miesiąc później\n"),
    "Polish of ISO": ("iso8859-2", "wpłata miesiąc; książka ząbki później; własna\n"),
    "Czech": ("cp1250", "Datum;Popis\nplatba za měsíc březen; příjem; středa\n"),
    "Turkish": ("cp1254", "Tarih;Aç\u0131klama\nal\u0131şveriş ödemesi; kuruş; yağmur; s\u0131ğ\u0131nak\n"),
    "German": ("cp1252", "Buchungstag;Empfänger\nBäckerei Müller; Straße; größer\n"),
    "French": ("cp1252", "Libellé;Débit\nchèque déposé; crédit; où; forêt; cœur à côté\n"),
    "Danish": ("cp1252", "Dato;Beløb\nkøb; lønoverførsel; på; æble\n"),
    "German of DOS": ("cp852", "Buchungstag;Empfänger\nBäckerei Müller; größer; fällig\n"),
}


@pytest.mark.parametrize(("encoding", "text"), TEXTS.values(), ids=TEXTS)
def test_a_code_page_is_known_by_its_letters(tmp_path, encoding, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    found = detect_encoding(Member(path))
    assert (found.name, found.sure) == (encoding, False)
