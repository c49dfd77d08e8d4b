"""Replaces words, numbers and IBANs by others of the same shape, by a keyed permutation of each position. Pure."""

import hashlib
import hmac
import re
import string
from dataclasses import dataclass
from functools import cached_property, lru_cache
from random import Random

_ALPHABETS = (
    string.ascii_lowercase,
    "àáâãäåçèéêëìíîïñòóôõöøùúûüýÿæœ",
    "абвгдежзийклмнопрстуфхцчшщъыьэюя",
    "αβγδεζηθικλμνξοπρστυφχψω",
)
_OTHER_LETTERS = _ALPHABETS[1]
_HEX = "0123456789abcdef"

_MOST_ATTEMPTS = 8


@dataclass(frozen=True)
class Substitution:
    """Replaces words and numbers by others of the same shape.

    Attributes:
        key: Secret that decides which sign becomes which.
        vocabulary: Words that stay, in lower case.
    """

    key: bytes
    vocabulary: frozenset[str] = frozenset()

    @cached_property
    def _words(self) -> dict[str, str]:
        return {}

    @cached_property
    def _numbers(self) -> dict[tuple[str, str], str]:
        return {}

    def word(self, word: str) -> str:
        """Return a word of the same length and case; a word that was cut short becomes the beginning of the whole."""
        if word not in self._words:
            self._words[word] = word if word.casefold() in self.vocabulary else self._new_word(word)
        return self._words[word]

    def digits(self, token: str) -> str:
        """Return as many decimal digits; a number keeps its leading zeros and does not become 0.

        Nothing but zeros stands for "no number" and stays.
        """
        return self._permuted(token, string.digits) if token.strip("0") else token

    def hex_digits(self, token: str) -> str:
        """Return as many hexadecimal digits, in lower case."""
        return self._permuted(token, _HEX)

    def spaced(self, signs: str) -> list[str]:
        """Return other letters and digits for some that stand one by one, as in `V O G E L`, each by all before it."""
        replaced = []
        for place, sign in enumerate(signs):
            step = self.number_of("spaced", signs[:place].lower())
            if sign.isdecimal():
                zero = ord(sign) - int(sign)
                replaced.append(chr(zero + int(_moved(str(int(sign)), string.digits, step))))
            else:
                replaced.append(_other_letter(sign, step))
        return replaced

    def iban(self, token: str) -> str:
        """Return an IBAN of the same country with valid check digits, grouped by spaces like the given one."""
        compact = token.replace(" ", "")
        account = "".join(
            self.digits(part) if part.isdigit() else self._letters(part, 0)
            for part in re.findall(r"\d+|[A-Z]+", compact[4:])
        )
        check = 98 - _remainder(f"{compact[:2]}00{account}")
        new = iter(f"{compact[:2]}{check:02}{account}")
        return "".join(sign if sign == " " else next(new) for sign in token)

    def number_of(self, *of: str) -> int:
        """Return a number of 64 bits that follows from the key and these words; every choice is made by one."""
        return int.from_bytes(
            hmac.digest(self.key, "\x1f".join(of).encode("utf-8", "surrogatepass"), hashlib.sha256)[:8]
        )

    def _new_word(self, word: str) -> str:
        """Return the word that stands for another one; it is none of the vocabulary, which means something."""
        attempt = 0
        while (replaced := self._letters(word, attempt)).casefold() in self.vocabulary and attempt < _MOST_ATTEMPTS:
            attempt += 1
        return replaced

    def _letters(self, word: str, attempt: int) -> str:
        before, letters = "", []
        for letter in word:
            letters.append(_other_letter(letter, self.number_of("letters", str(attempt), before)))
            before += _small(letter)
        return "".join(letters)

    def _permuted(self, token: str, alphabet: str) -> str:
        if (token, alphabet) not in self._numbers:
            steps = [self.number_of("signs", alphabet, token[:place]) for place in range(len(token))]
            signs = [_moved(sign, alphabet, step) for sign, step in zip(token, steps, strict=True)]
            if alphabet == string.digits:  # as a number it keeps its length: 0 stays in front, and nothing becomes 0
                signs[0] = _moved(token[0], string.digits[1:], steps[0]) if token[0] != "0" else "0"
            self._numbers[token, alphabet] = "".join(signs)
        return self._numbers[token, alphabet]


@lru_cache(maxsize=20_000)
def _cycle(alphabet: str, step: int) -> dict[str, str]:
    """Return a permutation of the alphabet in which no sign stays the same: one cycle, chosen by a number."""
    signs = list(alphabet)
    Random(step).shuffle(signs)  # noqa: S311 - the number is a keyed digest
    return dict(zip(signs, [*signs[1:], signs[0]], strict=True))


def _moved(sign: str, alphabet: str, step: int) -> str:
    """Return another sign of the alphabet, by a permutation that a shift of the alphabet would not tell."""
    return _cycle(alphabet, step)[sign]


def _small(letter: str) -> str:
    return letter.lower() if len(letter.lower()) == 1 else letter


def _other_letter(letter: str, step: int) -> str:
    """Return a letter of the same alphabet and case; for one of an unlisted alphabet, some letter with an accent."""
    small = _small(letter)
    alphabet = next((one for one in _ALPHABETS if small in one), None)
    if alphabet is None:
        new = _OTHER_LETTERS[(step + ord(small)) % len(_OTHER_LETTERS)]
    else:
        new = _moved(small, alphabet, step)
    return new.upper() if letter.isupper() and len(new.upper()) == 1 else new


def is_iban(token: str) -> bool:
    """Tell whether a text, with or without spaces, is an IBAN whose check digits are right (ISO 13616)."""
    compact = token.replace(" ", "")
    return 15 <= len(compact) <= 34 and _remainder(compact) == 1  # noqa: PLR2004 - the shortest and the longest


def _remainder(iban: str) -> int:
    return int("".join(str(int(sign, 36)) for sign in iban[4:] + iban[:4])) % 97
