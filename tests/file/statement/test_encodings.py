"""The code page of a file that is not UTF-8 is decided from the letters of the whole file."""

import pytest

from worker.connectors.file.statement.encodings import detect_encoding, known_encoding
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
    "Swedish": ("cp1252", "Datum;Text\nKöp ICA Västerås; Lön från Åhléns\n"),
    "one name": ("cp1252", "Datum;Text\n13.01.2026;Müller\n14.01.2026;Rewe\n"),
    "signs alone": ("cp1252", "Datum;Betrag\n13.01.2026;-3,50 €\n14.01.2026;-4,00 £\n"),
    "Hungarian": ("cp1250", "Dátum;Közlemény\nVásárlás fűszer; szőlő gyűjtő; Fizetés Győr\n"),
    "Romanian": ("cp1250", "Data;Descriere\nPlată la magazin; soţie; staţie; Braşov\n"),
    "Lithuanian": ("cp1257", "Data;Paskirtis\nPirkimas kavinėje; mokėjimas; mašina\n"),
    "Russian": ("cp1251", "Дата;Описание;Сумма\n13.01.2026;Оплата покупки Пятёрочка;-350,00\n"),
    "Russian of DOS": ("cp866", "Дата;Описание;Сумма\n13.01.2026;Оплата покупки Пятёрочка;-350,00\n"),
    "Russian of Unix": ("koi8-r", "Дата;Описание;Сумма\n13.01.2026;Оплата покупки Пятёрочка;-350,00\n"),
    "Ukrainian": ("cp1251", "Дата;Опис;Сума\n13.01.2026;Оплата за інтернет, Київ;-350,00\n"),
    "Greek": ("cp1253", "Ημερομηνία;Περιγραφή;Ποσό\n13/01/2026;Αγορά με κάρτα;-35,00\n"),
    "Hebrew": ("cp1255", "תאריך,תיאור,סכום\n13/01/2026,קניה בסופר,-35.00\n14/01/2026,משכורת חודשית,8000.00\n"),
    "Japanese": ("cp932", "日付,内容,金額\n2026/01/13,コンビニ セブンイレブン,-350\n2026/01/14,給与振込,250000\n"),
    "Japanese of half width": ("cp932", "日付,内容,金額\n2026/01/13,ｾﾌﾞﾝｲﾚﾌﾞﾝ,-350\n2026/01/14,ﾌﾘｺﾐ ｶ)ｱｸﾒ,250000\n"),
    "Chinese": ("gb18030", "日期,摘要,金额\n2026-01-13,超市购物,-35.00\n2026-01-14,工资,8000.00\n"),
    "Chinese of Taiwan": ("big5", "日期,摘要,金額\n2026-01-13,超市購物,-35.00\n2026-01-14,薪資轉帳,8000.00\n"),
    "Korean": ("cp949", "날짜,내용,금액\n2026-01-13,편의점 결제,-3500\n2026-01-14,급여,3000000\n"),
}


@pytest.mark.parametrize(("encoding", "text"), TEXTS.values(), ids=TEXTS)
def test_a_code_page_is_known_by_its_letters(tmp_path, encoding, text):
    path = tmp_path / "a.csv"
    path.write_bytes(text.encode(encoding))
    found = detect_encoding(Member(path))
    assert (found.name, found.sure) == (encoding, False)


def test_a_letter_far_behind_the_beginning_is_counted_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"2026-01-13;Shop;-1.00\n" * 200_000 + "wpłata własna książka; miesiąc\n".encode("cp1250"))
    assert detect_encoding(Member(path)).name == "cp1250"


def test_a_byte_that_fits_no_other_script_leaves_the_letters_to_decide(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("日付,内容,金額\nコンビニ,-350\n".encode("cp932") + b"\xff\xff\n")
    found = detect_encoding(Member(path))
    assert (found.name in {"cp1252", "cp852"}, found.sure) == (True, False)


@pytest.mark.parametrize(("name", "known"), [("UTF8", "utf-8"), ("latin1", "iso8859-1"), ("CP1250", "cp1250")])
def test_a_character_encoding_is_known_by_any_of_its_names(name, known):
    assert known_encoding(name) == known


@pytest.mark.parametrize(
    "name", ["bz2", "zlib", "hex", "base64", "rot13", "idna", "uu", "undefined", "unicode-escape", "charmap", "", "x y"]
)
def test_a_codec_that_is_no_character_encoding_is_refused(name):
    with pytest.raises(ValueError, match="no character encoding"):
        known_encoding(name)
