"""Keys, anchors and masks of accounts, made from account numbers without revealing them. Pure."""

import hashlib
import re

_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_GERMAN = re.compile(r"(\d{8})/(\d{1,10})")
_NOISE = re.compile(r"[^A-Z0-9*]")


def is_iban(text: str) -> bool:
    """Say whether `text` (capitals, no spaces) is an IBAN with a right check digit (ISO 13616, modulo 97)."""
    if not _IBAN.fullmatch(text):
        return False
    moved = text[4:] + text[:4]
    return int("".join(str(int(character, 36)) for character in moved)) % 97 == 1


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
        return f"iban:{plain}"
    return f"hash:{_digest(f'{bank.strip().upper()}|{plain}')[:40]}"


def account_key(anchor: str) -> str:
    """Return the id of an account inside the connection: stable, and without the number."""
    return f"acct-{_digest(anchor)[:16]}"


def account_mask(number: str) -> str | None:
    """Return the last four characters of an account number for people to recognise it by."""
    plain = _NOISE.sub("", number.upper()).replace("*", "")
    return plain[-4:] or None
