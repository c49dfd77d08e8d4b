"""Keys, anchors and masks of accounts, made from account numbers without revealing them. Pure."""

import hashlib
import re

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_IBAN_LIKE = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{5,32}")
_GERMAN = re.compile(r"(\d{8})/(\d{1,10})")
_NOISE = re.compile(r"[^A-Z0-9*]")
_IBAN_ANCHOR, _NUMBER_ANCHOR = "iban:", "hash:"
_EURO_COUNTRIES = "AD AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MC ME MT NL PT SI SK SM VA XK"
_OTHER_COUNTRIES = (
    "AE:AED AL:ALL AZ:AZN BA:BAM BH:BHD BR:BRL BY:BYN CH:CHF CR:CRC CZ:CZK DK:DKK DO:DOP EG:EGP FO:DKK "
    "GB:GBP GE:GEL GI:GIP GL:DKK GT:GTQ HU:HUF IL:ILS IQ:IQD IS:ISK JO:JOD KW:KWD KZ:KZT LB:LBP LI:CHF "
    "MD:MDL MK:MKD MU:MUR NO:NOK OM:OMR PK:PKR PL:PLN QA:QAR RO:RON RS:RSD SA:SAR SE:SEK TN:TND TR:TRY "
    "UA:UAH VG:USD"
)
_HOME_CURRENCIES = dict.fromkeys(_EURO_COUNTRIES.split(), "EUR")
_HOME_CURRENCIES |= {pair[:2]: pair[3:] for pair in _OTHER_COUNTRIES.split()}


def is_iban(text: str) -> bool:
    """Say whether `text` (capitals, no spaces) is an IBAN with a right check digit (ISO 13616, modulo 97)."""
    if not _IBAN.fullmatch(text):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


def is_broken_iban(text: str) -> bool:
    """Return whether a number has the form of an IBAN and wrong check digits; a currency may stand behind it."""
    plain = _NOISE.sub("", text.upper())
    return _IBAN_LIKE.fullmatch(plain) is not None and find_iban(plain) is None


def find_iban(text: str) -> str | None:
    """Return the first valid IBAN in `text`, with or without its spaces."""
    for found in re.finditer(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}", text):
        candidate = found[0].replace(" ", "")
        for end in range(len(candidate), 14, -1):
            if is_iban(candidate[:end]):
                return candidate[:end]
    return None


def german_iban(account: str) -> str | None:
    """Return the IBAN of a German `bank code/account number` as MT940 files carry it; None for anything else."""
    found = _GERMAN.fullmatch(account)
    if found is None:
        return None
    bban = found[1] + found[2].zfill(10)
    return f"DE{98 - int(bban + '131400') % 97:02d}{bban}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def account_anchor(number: str, bank: str = "") -> str:
    """Return what identifies an account for ever: `iban:…` where it is one, else `hash:…` of bank and number."""
    plain = _NOISE.sub("", number.upper())
    if is_iban(plain):
        return f"{_IBAN_ANCHOR}{plain}"
    return f"{_NUMBER_ANCHOR}{_digest(f'{bank.strip().upper()}|{plain}')[:40]}"


def account_key(anchor: str, currency: str | None = None) -> str:
    """Return the id of an account inside the connection: stable, and without the number.

    One account number may have an account in each of several currencies, and each of them has an id of its own. A
    file that states no currency is about the account in the currency of the IBAN's country; a number that is no IBAN
    names no country.

    Args:
        anchor: What identifies the account: of its number, or any text for an account without one.
        currency: Code of its currency; None where nothing states it.
    """
    home = home_currency(anchor)
    is_number = anchor.startswith((_IBAN_ANCHOR, _NUMBER_ANCHOR))
    if is_number and currency is not None and currency.upper() != home:
        anchor = f"{anchor}|{currency.upper()}"
    return f"acct-{_digest(anchor)[:16]}"


def home_currency(anchor: str) -> str | None:
    """Return the currency of the country of an IBAN; None for other numbers and countries without one of their own."""
    return _HOME_CURRENCIES.get(anchor[len(_IBAN_ANCHOR) :][:2]) if anchor.startswith(_IBAN_ANCHOR) else None


def account_mask(number: str) -> str | None:
    """Return the last four characters of an account number for people to recognise it by."""
    plain = _NOISE.sub("", number.upper()).replace("*", "")
    return plain[-4:] or None
