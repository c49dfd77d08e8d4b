"""Secrets that can be recognised anywhere: as they are, in hexadecimal, in base64 at any offset, URL-quoted."""

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


def forms_of(canary: str) -> set[bytes]:
    """Every form in which a canary is looked for."""
    plain = canary.encode()
    padded = (base64.b64encode(b"\0" * shift + plain) for shift in range(3))
    cores = {encoded[4 if shift else 0 : -4] for shift, encoded in enumerate(padded)}
    return {
        plain,
        plain.lower(),
        plain.upper(),
        plain.hex().encode(),
        plain.hex().upper().encode(),
        plain[::-1],
        *cores,
    }


_PREFIX = "canary"
_TRACES = forms_of(_PREFIX)
"""In every form of every planted canary: most places are done with after looking for these."""


@dataclass
class Canaries:
    """The canaries of one test, by what they were planted as."""

    planted: dict[str, str] = field(default_factory=dict)

    def plant(self, where: str) -> str:
        """Return a new canary: 32 characters that survive JSON, URLs and SQL unchanged."""
        canary = f"{_PREFIX}{secrets.token_hex(13)}"
        self.planted[where] = canary
        return canary

    def adopt(self, where: str, secret: str) -> str:
        """Look for a secret that somebody else made."""
        self.planted[where] = secret
        return secret

    def found_in(self, places: Mapping[str, bytes]) -> list[str]:
        """Name every place where a canary is, and around it what gave it away."""
        return [hit for name, content in places.items() for hit in self._hits(name, content)]

    def _adopted_in(self, content: bytes) -> bool:
        adopted = (canary for canary in self.planted.values() if not canary.startswith(_PREFIX))
        return any(form in content for canary in adopted for form in forms_of(canary))

    def _hits(self, name: str, content: bytes) -> Iterable[str]:
        if not any(form in content for form in _TRACES) and not self._adopted_in(content):
            return
        for where, canary in self.planted.items():
            for form in forms_of(canary):
                position = content.find(form)
                if position >= 0:
                    yield f"{where} is in {name}: …{content[max(0, position - 80) : position + len(form) + 20]!r}"
                    break
