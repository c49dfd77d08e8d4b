"""What a check found in a manifest, with its place in the file."""

from collections.abc import Iterable
from dataclasses import dataclass

from worker.connectors.manifest.key_lines import Loc
from worker.connectors.manifest.model import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFinding:
    """Something wrong, or something that no sample shows.

    Attributes:
        loc: Its place in the manifest, such as `("samples", 2, "rows", 0)`.
        is_note: Whether it is only said, and no check fails of it.
    """

    loc: Loc
    message: str
    is_note: bool = False


def wrong(loc: Loc, message: str) -> ManifestFinding:
    """Return a finding of which a check fails."""
    return ManifestFinding(loc=loc, message=message)


def note(loc: Loc, message: str) -> ManifestFinding:
    """Return a finding that is only said."""
    return ManifestFinding(loc=loc, message=message, is_note=True)


def of_sample(number: int, message: str, *inside: str | int) -> ManifestFinding:
    """Return a finding about a sample, or about a part of it. number: counted from 0."""
    return ManifestFinding(loc=("samples", number, *inside), message=message)


def written(manifest: Manifest, findings: Iterable[ManifestFinding], *, notes: bool = False) -> tuple[str, ...]:
    """Return findings as sentences with file and line, each once."""
    return tuple(
        dict.fromkeys(
            f"{manifest.place(one.loc)}: {_subject(manifest, one.loc)}{one.message}"
            for one in findings
            if one.is_note == notes
        )
    )


def _subject(manifest: Manifest, loc: Loc) -> str:
    """Name the sample, counted from 1 as everywhere, and the row or account that is meant."""
    match loc:
        case ("samples", int() as number, *rest):
            of = manifest.samples[number].of
            inside = ", ".join(
                f"{str(name).removesuffix('s')} {at + 1}"
                for name, at in zip(rest[::2], rest[1::2], strict=False)
                if isinstance(at, int)
            )
            return f"sample {number + 1} ({of}){', ' if inside else ''}{inside}: "
        case (section, *rest) if rest:
            way = (str(part + 1) if isinstance(part, int) else part for part in rest if (section, part) not in _ALONE)
            return f"{'.'.join((str(section), *way))}: "
        case _:
            return ""


_ALONE = {("accounts", 0), ("balances", 0), ("transactions", 0)}
"""The first table of a kind that is most often written alone."""
