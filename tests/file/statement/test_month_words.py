"""Month names of several languages: which one a file is in, and what is asked where two are possible."""

from datetime import date

import pytest

from tests.file.reader import read
from worker.connectors.errors import InvalidDataError


@pytest.mark.parametrize(
    ("header", "days", "months"),
    [
        ("Datum;Opis;Iznos", ("15. lis 2023", "31. lis 2023"), [10, 10]),
        ("Datum;Popis;Částka", ("15. lis 2023", "14. srp 2023"), [11, 8]),
        ("Data;Opis;Kwota", ("15 lis 2023", "14 lip 2023"), [11, 7]),
        ("Date;Description;Amount", ("15. lis 2023", "31. lis 2023"), [10, 10]),
        ("Date;Description;Amount", ("15. lis 2023", "31. lip 2023"), [11, 7]),
        ("Date;Description;Amount", ("15. lis 2023", "14. ruj 2023"), [10, 9]),
        ("Date;Description;Amount", ("15 lis 2023", "14 paź 2023"), [11, 10]),
        ("Date;Description;Amount", ("15 listopada 2023", "14 lipnja 2023"), [10, 6]),
        ("Date;Description;Amount", ("15 lis 2023", "14 srp 2023"), None),
    ],
)
def test_a_word_for_two_months_is_read_in_the_language_of_the_file_or_asked_for(tmp_path, header, days, months):
    rows = "".join(f"{day};Shop {at};-25,00\n" for at, day in enumerate(days))
    (tmp_path / "a.csv").write_text(f"{header}\n{rows}")
    stated = {"columns": dict(zip(header.split(";"), ("date", "description", "amount"), strict=True))}
    if months is None:
        with pytest.raises(InvalidDataError, match="another one in Croatian than in Polish and Czech"):
            read(tmp_path / "a.csv", **stated)
        return
    booked = [row.booking_on for row in read(tmp_path / "a.csv", **stated).rows]
    assert booked == [date(2023, month, int(day[:2])) for month, day in zip(months, days, strict=True)]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (("3 Mar'24", "12/Jan/2024"), (date(2024, 3, 3), date(2024, 1, 12))),
        (("3 févr. 2024", "12 août 2024"), (date(2024, 2, 3), date(2024, 8, 12))),
        (("15. lis 2023", "31. lis 2023"), (date(2023, 10, 15), date(2023, 10, 31))),
        (("15 lis 2023", "14 paź 2023"), (date(2023, 11, 15), date(2023, 10, 14))),
        (("15 lis 2023", "14 srp 2023"), None),
    ],
)
def test_a_qif_file_is_read_in_the_same_languages(tmp_path, days, expected):
    path = tmp_path / "a.qif"
    path.write_text("!Type:Bank\n" + "".join(f"D{day}\nT-25.00\nPShop\n^\n" for day in days))
    if expected is None:
        with pytest.raises(InvalidDataError, match="another one in Croatian than in Polish and Czech"):
            read(path)
        return
    assert tuple(row.booking_on for row in read(path).rows) == expected
