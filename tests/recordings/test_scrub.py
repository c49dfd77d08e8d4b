"""What a scrubber keeps and what it replaces: tables and general rules."""

import html
import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.connectors.plaid import PlaidConnector
from worker.connectors.registry import ConnectorRegistry
from worker.recordings.scrub import Scrubber
from worker.recordings.substitution import is_iban
from worker.recordings.vocabulary import counts_of, vocabulary_of

S = Scrubber(b"a secret of the connection", frozenset({"card", "payment"}))
OTHER = Scrubber(b"another secret", frozenset({"card", "payment"}))
WORDS = st.text(st.characters(whitelist_categories=("Lu", "Ll"), max_codepoint=0x24F), min_size=1, max_size=20)
IBAN = "FI2112345600000785"


@given(st.text(max_size=60))
def test_equal_texts_stay_equal_and_punctuation_stays(text):
    assert S.text(text) == S.text(text)
    if text.isascii():
        assert re.sub(r"[A-Za-z0-9]", "x", S.text(text)) == re.sub(r"[A-Za-z0-9]", "x", text)


@given(WORDS, WORDS)
def test_different_words_stay_different(left, right):
    if left.isascii() and right.isascii() and left != right:
        assert S.text(left) != S.text(right)


@given(st.text("abcdefghij", min_size=3, max_size=12), st.integers(1, 11))
def test_a_word_that_was_cut_short_stays_the_beginning_of_the_whole_one(word, length):
    assert S.text(word).startswith(S.text(word[:length]))


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=20))
def test_no_letter_and_no_digit_stays_in_its_place(word):
    if word not in {"card", "payment"} and not word.isdigit():
        scrubbed = S.text(word)
        places = zip(word, scrubbed, strict=True)
        assert all(old != new for old, new in places if old != "0") or "card" in word or "payment" in word


@pytest.mark.parametrize("scrubber", [S, OTHER])
def test_words_that_mean_something_stay_and_case_stays(scrubber):
    text = scrubber.text("CARD Payment Ada LOVELACE")
    assert text.startswith("CARD Payment ")
    assert text.split()[2].istitle()
    assert text.split()[3].isupper()


def test_another_secret_gives_another_text():
    assert S.text("Ada Lovelace") != OTHER.text("Ada Lovelace")


@given(st.lists(st.decimals(-99999, 99999, places=2), max_size=20))
def test_sums_and_balances_still_prove(amounts):
    texts = [S.string(str(amount), "amount") for amount in amounts]
    assert sum(map(Decimal, texts)) == S.multiplier * sum(amounts)
    assert all(len(t.rpartition(".")[2]) == 2 for t in texts)


@pytest.mark.parametrize(
    ("written", "key", "multiplied"),
    [
        ("-12.50", "", "-87.50"),
        ("12,50", "betrag", "87,50"),
        ("1.234,50", "amount", "8.641,50"),
        ("1,234.50", "amount", "8,641.50"),
        ("-7", "amount", "-49"),
        ("1234567", "balance", "8641969"),
        ("0.00", "x", "0.00"),
        ("0.05", "x", "0.35"),
    ],
)
def test_an_amount_keeps_how_it_is_written(written, key, multiplied):
    sevenfold = next(one for one in map(_with, range(1000)) if one.multiplier == 7)
    assert sevenfold.string(written, key) == multiplied


def _with(number):
    return Scrubber(str(number).encode())


@pytest.mark.parametrize(
    "written", ["2026-11-10", "2026-11-10T23:59:59Z", "2026-11-10 08:00:00.123+01:00", "ref 2026-11-10 x"]
)
def test_days_move_by_whole_weeks_and_keep_their_time(written):
    moved = S.string(written)
    day = next(date.fromisoformat(moved[place : place + 10]) for place in (0, 4) if moved[place : place + 2] == "20")
    assert (date(2026, 11, 10) - day).days % 7 == 0
    assert date(2026, 11, 10) - day == S.shift
    assert moved[10:] == written[10:] or written.startswith("ref")


def test_days_in_other_spellings_move_too():
    assert S.string("10.11.2026") == S.day(date(2026, 11, 10)).strftime("%d.%m.%Y")
    assert S.string("20261110", "bookingDate") == S.day(date(2026, 11, 10)).strftime("%Y%m%d")
    moment = int(datetime(2026, 11, 10, tzinfo=UTC).timestamp())
    assert S.json({"posted": moment})["posted"] == moment - S.shift.total_seconds()
    assert S.json({"posted": str(moment)})["posted"] == str(moment - int(S.shift.total_seconds()))


@pytest.mark.parametrize("written", [IBAN, "FI21 1234 5600 0007 85", f"to {IBAN}, thanks"])
def test_an_iban_becomes_another_valid_one_in_every_spelling(written):
    found = S.text(written).replace("to", "").replace(" ", "")
    assert IBAN not in S.text(written).replace(" ", "")
    assert is_iban(S.text(IBAN))
    assert S.text(IBAN)[4:] in found


def test_what_a_connector_acts_on_stays():
    scrubber = Scrubber(b"x", vocabulary_of(PlaidConnector))
    answer = {"error_type": "ITEM_ERROR", "error_code": "ITEM_LOGIN_REQUIRED", "iso_currency_code": "USD",
              "transactions_update_status": "HISTORICAL_UPDATE_COMPLETE", "type": "depository", "has_more": False,
              "total_transactions": 12}  # fmt: skip
    assert scrubber.json(answer) == answer


def test_counts_stay_and_numbers_of_people_do_not():
    answer = S.json(
        {"count": 12, "total_pages": 3, "account_number": 12345678, "phone": 5551234567, "sort_code": 204514}
    )
    assert (answer["count"], answer["total_pages"]) == (12, 3)
    assert answer["account_number"] != 12345678
    assert answer["phone"] != 5551234567
    assert answer["sort_code"] != 204514


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("accountNumber", 654321), ("account", 48213), ("account-number", 654321), ("birthYear", 1971),
        ("houseNo", 44), ("bsb", 62000), ("branch", 60161), ("pin", 4711), ("customer", 48213),
        ("discountCard", 9412), ("corporateId", "987654321"), ("separateAccountNo", "987654321"),
    ],
)  # fmt: skip
def test_a_number_stays_only_in_a_field_that_counts(key, number):
    assert list(S.json({key: number}).values()) != [number]


@pytest.mark.parametrize("key", ["limit", "creditLimit", "accountBalance", "current", "bookedAmount", "total"])
def test_whole_numbers_of_money_are_multiplied(key):
    assert S.json({key: 7350}) == {key: 7350 * S.multiplier}


def test_the_last_word_of_a_key_decides():
    moment = int(datetime(2026, 11, 10, tzinfo=UTC).timestamp())
    assert S.json({"balance-date": moment}) == {"balance-date": moment - int(S.shift.total_seconds())}
    assert S.json({"total_pages": 3, "pageNumber": 2, "currencyCode": 980}) == {
        "total_pages": 3, "pageNumber": 2, "currencyCode": 980,
    }  # fmt: skip


@pytest.mark.parametrize(
    "written",
    ["&#86;&#111;&#103;&#101;&#108;", "&#x56;&#x6f;&#x67;&#x65;&#x6C;", "&#0086;oge&#108", "&#86;ogel &amp; Co"],
)
def test_html_references_are_replaced_like_what_they_stand_for(written):
    scrubbed = S.text(written)
    assert html.unescape(scrubbed).split()[0] == S.text("Vogel")
    assert ("&amp;" in scrubbed) == ("&amp;" in written)


@pytest.mark.parametrize("zero", [0x660, 0x966, 0xFF10], ids=["Arabic", "Devanagari", "full width"])
def test_digits_of_other_scripts_are_replaced_by_digits_of_these_scripts(zero):
    written = "".join(chr(zero + int(digit)) for digit in "4929123456781234")
    for scrubbed in (S.string(written), S.text(f"card {written}").removeprefix("card ")):
        assert all(zero <= ord(digit) <= zero + 9 for digit in scrubbed)
        assert all(old != new for old, new in zip(written, scrubbed, strict=True))


@pytest.mark.parametrize("name", ["BOB", "TOP", "ALL", "Jamaica", "Israel"])
def test_a_name_that_is_a_currency_or_a_zone_elsewhere_is_replaced_under_any_other_key(name):
    assert S.json({"creditorName": name})["creditorName"] != name
    assert S.string("Asia/Tokyo", "timezone") == "Asia/Tokyo"


def test_a_name_in_lower_case_as_a_key_is_replaced():
    assert "vogelsang" not in str(S.json({"people": {"canaria_vogelsang": {"x": 1}}}))


def test_letters_in_circles_and_flags_are_replaced():
    assert not set("\u24cb\u24de\U0001f1fb") & set(S.text("\u24cb\u24de \U0001f1fb"))


def test_a_birthday_becomes_another_day_that_does_not_follow_from_the_shift():
    moved = date.fromisoformat(S.string("1971-03-04"))
    assert date(1930, 1, 1) <= moved < date(2010, 1, 1)
    assert date(1971, 3, 4) - moved != S.shift


@pytest.mark.parametrize("written", ["-0.123456789012", "-12.5000000000", "-12.00", " -12.00 ", "+12.50"], ids=repr)
def test_a_long_amount_and_one_with_blanks_are_multiplied_as_they_are_written(written):
    scrubbed = S.string(written, "amount")
    assert Decimal(scrubbed) == Decimal(written) * S.multiplier
    assert scrubbed.strip() != scrubbed if written.strip() != written else len(scrubbed.strip()) == len(scrubbed)


def test_names_used_as_keys_are_replaced():
    assert "Ada Lovelace" not in S.json({"Ada Lovelace": 1, "accounts": 2})
    assert "accounts" in S.json({"Ada Lovelace": 1, "accounts": 2})


@given(st.integers(0, 10**12))
def test_a_number_is_replaced_alike_as_a_number_and_as_text(number):
    assert str(S.json({"id": number})["id"]) == S.string(str(number))


def test_a_name_that_is_a_currency_elsewhere_is_replaced():
    assert "BOB" not in S.text("BOB MAD ALL")
    assert S.string("BOB", "currency") == "BOB"


@pytest.mark.parametrize(("name", "counts"), [("mercury", {"total"}), ("up", set()), ("plaid", set())])
def test_what_a_manifest_reads_as_a_count_stays_one(name, counts):
    connector = ConnectorRegistry().get(name)
    assert counts_of(connector) == counts
    scrubber = Scrubber(b"x", vocabulary_of(connector), counts_of(connector))
    scrubbed = scrubber.json({"total": 4, "of": {"total": "4"}, "fees": {"total": 1_000_000}})
    assert (scrubbed["total"] == 4) is (scrubbed["of"]["total"] == "4") is bool(counts)
    assert scrubbed["fees"]["total"] != 1_000_000


def test_samples_of_a_manifest_are_no_vocabulary():
    assert not {"corner", "shop"} & vocabulary_of(ConnectorRegistry().get("up"))


@pytest.mark.parametrize("value", ["+49.1701234567", "4929123456.781234", "4711,12", "12345678.9"])
@pytest.mark.parametrize("key", ["phone", "accountNumber", "reference", "id"])
def test_a_number_that_identifies_is_no_amount_however_it_is_written(key, value):
    replaced = S.string(value, key)
    assert replaced != value
    digits, others = (int("".join(filter(str.isdigit, text))) for text in (replaced, value))
    assert digits != others * S.multiplier


def test_single_letters_are_no_shift_of_the_alphabet():
    replaced = [S.text(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]
    steps = {(ord(new) - ord(old)) % 26 for new, old in zip(replaced, "abcdefghijklmnopqrstuvwxyz", strict=True)}
    assert len(steps) > 5
    assert sorted(replaced) == sorted("abcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize(
    "text",
    ["V O G E L S A N G", "M.a.r.i.a", "m_a_r_i_a", "4 9 2 9 1 2 3 4 5 6", "A 4 B 9 C 2 D", "B\u200bo\u200bb\u200bb"],
)
def test_what_is_written_sign_by_sign_is_replaced_like_one_word(text):
    replaced = S.text(text)
    signs = [(old, new) for old, new in zip(text, replaced, strict=True) if old.isalnum()]

    assert all(old != new and old.isdigit() == new.isdigit() for old, new in signs)
    assert [old for old in text if not old.isalnum()] == [new for new in replaced if not new.isalnum()]
    assert replaced.startswith(S.text(text[:5]))


def test_equal_signs_of_a_spaced_word_become_different_ones():
    assert len(set(S.text("A A A A A A A A A A A A").split())) > 3
    assert len(set(S.text("7 7 7 7 7 7 7 7 7 7 7 7").split())) > 3


def test_an_answer_of_two_bytes_a_sign_is_replaced_like_a_spaced_word():
    body = S.text("AAAAAAAAAAAA 4929".encode("utf-16-le").decode()).encode().decode("utf-16-le")

    assert len(set(body[:12])) > 3
    assert not set(enumerate("AAAAAAAAAAAA 4929")) & set(enumerate(body)) - {(12, " ")}


@pytest.mark.parametrize("written", ["H & M", "H &amp; M"])
def test_initials_keep_the_shape_of_what_stands_between(written):
    assert S.text(written)[1:-1] == written[1:-1]


@pytest.mark.parametrize(
    ("key", "number"),
    [
        ("accountStatus", 123_456),
        ("accountStatus", 12),
        ("card_index", 4711),
        ("pinAttempts", 1234),
        ("customerVersion", 654_321),
        ("memberRate", 123_456),
        ("currencyAccount", 654_321),
        ("accountCurrencyNumber", 654_321),
        ("personalSize", 1234),
        ("entries", 998_877),
        ("scale", 777_777),
        ("page_customer", 4711),
        ("accountRate", Decimal("4711.5")),
    ],
)
def test_a_number_that_may_name_somebody_is_replaced_whatever_its_field_counts(key, number):
    assert S.json({key: number})[key] != number


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("number_of_transactions", 120),
        ("pageNumber", 3),
        ("currencyCode", 980),
        ("iso_currency_code", "EUR"),
        ("accountCurrency", "EUR"),
        ("mcc", 5411),
    ],
)
def test_what_counts_few_and_codes_of_currencies_stay(key, value):
    assert S.json({key: value}) == {key: value}


def test_counts_by_account_stay_though_an_account_is_their_name():
    kept = S.json({"failures": {"611fe920-4b60-5040-711d-1ef59db8fb52": 2}})
    assert list(kept["failures"].values()) == [2]


@pytest.mark.parametrize(
    "holder",
    [
        {"type": "PAN", "value": "4929123456781234"},
        {"schemeName": "BBAN", "value": 1530108000},
        {"value": "370400440532013000"},
        {"available": 4929123456781234},
        {"phone_value": "1705550199"},
        {"from": "1234567890"},
        {"from": 1705550199},
        {"created_by": 1705550199},
        {"posted_to": "4012888888881881"},
        {"latitude": "52.516275"},
        {"geo": {"coordinates": [Decimal("13.377704"), Decimal("52.516275")]}},
        {"y": "52.516275"},
        {"y": Decimal("52.516275")},
    ],
    ids=str,
)
def test_a_number_that_is_no_money_and_no_moment_does_not_follow_from_the_factor_or_the_shift(holder):
    [before, after] = [list(numbers_in(one)) for one in (holder, S.json(holder))]
    for old, new in zip(before, after, strict=True):
        assert new not in {old, old * S.multiplier, old - 1_000_000 * int(S.shift.total_seconds())}
        assert old - new != int(S.shift.total_seconds())


def numbers_in(found):
    match found:
        case dict():
            for one in found.values():
                yield from numbers_in(one)
        case list():
            for one in found:
                yield from numbers_in(one)
        case str() if not re.fullmatch(r"[-+]?[0-9.]+", found):
            return
        case _:
            yield Decimal(found)


@pytest.mark.parametrize("key", ["dateOfBirth", "birth_date", "birthday", "dob", "born_on"])
@pytest.mark.parametrize("written", ["2014-05-03", "03.05.2014", "20140503"])
def test_the_birthday_of_a_child_does_not_follow_from_the_shift(key, written):
    moved = S.string(written, key)
    assert moved not in {written, S.string(written, "bookingDate")}
    assert re.sub(r"\d", "0", moved) == re.sub(r"\d", "0", written)


def test_money_beside_its_currency_and_moments_beside_their_zone_stay_what_they_are():
    moment = 1_790_000_000
    said = {"amount": {"value": 125000000, "currency": "EUR"}, "posted_utc": moment, "createdAtMs": moment * 1000}
    shift = int(S.shift.total_seconds())
    assert S.json(said) == {
        "amount": {"value": 125000000 * S.multiplier, "currency": "EUR"},
        "posted_utc": moment - shift,
        "createdAtMs": (moment - shift) * 1000,
    }
