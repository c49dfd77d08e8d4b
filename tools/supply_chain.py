"""What the worker is made of: known vulnerabilities, a bill of materials, and licences, all from the lock.

python -m tools.supply_chain audit | sbom [PATH] | licences
"""

import argparse
import json
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements" / "runtime.txt"
SBOM = ROOT / "dist" / "sbom.cdx.json"

_PIN = re.compile(r"^(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)==(?P<version>[^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:(?P<digest>[0-9a-f]{64})")
# The GPL and the AGPL in any of their spellings; the Lesser GPL is another licence.
_GPL = re.compile(r"(?<!L)(?<!Lesser )\b(A?GPL)|(?<!Lesser )\bGeneral Public License|\bAffero", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """One line of the lock. digests: SHA-256 of every file that may be installed for it."""

    name: str
    version: str
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the vulnerability service said. unknown: packages it could say nothing about."""

    known: int
    unknown: tuple[str, ...]
    vulnerabilities: tuple[str, ...]


def read_lock(text: str) -> tuple[Pin, ...]:
    """Return every pin of a requirements file, in its order. Raises: ValueError for one without a hash."""
    pins: list[Pin] = []
    for block in re.split(r"\n(?=\S)", text):
        match = _PIN.match(block)
        if match is None:
            continue
        digests = tuple(found["digest"] for found in _HASH.finditer(block))
        if not digests:
            raise ValueError(f"{match['name']} has no hash in the lock")
        pins.append(Pin(name=match["name"], version=match["version"], digests=digests))
    return tuple(pins)


def licence_of(name: str) -> str | None:
    """Return the licence a distribution states, as it states it; None when it is not installed on this platform."""
    try:
        stated = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    first = {name: next(iter(stated.get_all(name) or []), "") for name in ("License", "License-Expression")}
    classifiers = [entry.rpartition(" :: ")[2] for entry in stated.get_all("Classifier") or [] if "License ::" in entry]
    first_line = first["License"].strip().splitlines()[:1]
    return first["License-Expression"] or " / ".join(classifiers or first_line) or "not stated"


def is_gpl(licence: str) -> bool:
    """Say whether a stated licence is the GPL or the AGPL without another one to choose instead."""
    return all(_GPL.search(choice) for choice in re.split(r"\bOR\b| / ", licence))


def bill_of_materials(pins: Sequence[Pin]) -> str:
    """Return a CycloneDX document; the same lock gives the same bytes."""
    bom = Bom(serial_number=uuid.uuid5(uuid.NAMESPACE_URL, repr(pins)))
    bom.metadata.component = Component(name="finmind-worker", type=ComponentType.APPLICATION, bom_ref="finmind-worker")
    bom.metadata.timestamp = None  # type: ignore[assignment]  # with a time, one lock would give two documents
    for pin in pins:
        bom.components.add(_component(pin))
    bom.register_dependency(bom.metadata.component, bom.components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2)
    return _without_timestamp(text) + "\n"


def read_audit(answer: str) -> Audit:
    """Read what pip-audit printed as JSON. Raises: ValueError when it is no such answer."""
    packages = json.loads(answer)["dependencies"]
    return Audit(
        known=sum("vulns" in package for package in packages),
        unknown=tuple(package["name"] for package in packages if "skip_reason" in package),
        vulnerabilities=tuple(_vulnerabilities(packages)),
    )


def audit() -> int:
    """Ask for known vulnerabilities of everything in the lock; 0 when there are none or nobody could be asked."""
    program = [sys.executable, "-m", "pip_audit", "-r", str(LOCK), "--disable-pip", "--require-hashes"]
    answer = subprocess.run(  # noqa: S603 - our own arguments
        [*program, "--format", "json", "--progress-spinner", "off", "--timeout", "10"],
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        found = read_audit(answer.stdout)
    except (ValueError, KeyError):
        reason = (answer.stderr.strip().splitlines() or ["no answer"])[-1]
        print(f"dependencies not audited: the vulnerability service cannot be reached ({reason})")
        return 0
    if not found.known:
        print("dependencies not audited: the vulnerability service knows none of them from here")
        return 0
    for line in found.vulnerabilities:
        print(line)
    print(f"{found.known} dependencies audited, {len(found.vulnerabilities)} known vulnerabilities")
    if found.unknown:
        print(f"not known to the service: {', '.join(found.unknown)}")
    return 1 if found.vulnerabilities else 0


def sbom(path: Path) -> int:
    """Write the bill of materials."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(bill_of_materials(read_lock(LOCK.read_text(encoding="utf-8"))), encoding="utf-8")
    print(f"{path} written")
    return 0


def licences() -> int:
    """Print the licence of every runtime dependency; 1 when one is under the GPL."""
    pins = read_lock(LOCK.read_text(encoding="utf-8"))
    stated = {pin.name: licence_of(pin.name) for pin in pins}
    for name, licence in stated.items():
        print(f"{name:<44}{licence or 'not installed on this platform'}")
    return 1 if any(licence is not None and is_gpl(licence) for licence in stated.values()) else 0


def main() -> int:
    """Run the command that was asked for and return its exit code."""
    parser = argparse.ArgumentParser(prog="supply_chain", description=(__doc__ or "").splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("audit")
    commands.add_parser("licences")
    commands.add_parser("sbom").add_argument("path", nargs="?", type=Path, default=SBOM)
    arguments = parser.parse_args()
    match arguments.command:
        case "audit":
            return audit()
        case "sbom":
            return sbom(arguments.path)
        case _:
            return licences()


def _component(pin: Pin) -> Component:
    url = PackageURL("pypi", name=pin.name.lower(), version=pin.version)
    licence = licence_of(pin.name)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        purl=url,
        bom_ref=str(url),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in pin.digests],
        licenses=[DisjunctiveLicense(name=licence)] if licence else [],
    )


def _without_timestamp(text: str) -> str:
    document = json.loads(text)
    document["metadata"].pop("timestamp", None)
    return json.dumps(document, indent=2)


def _vulnerabilities(packages: Sequence[dict[str, object]]) -> Iterator[str]:
    for package in packages:
        found = package.get("vulns", [])
        assert isinstance(found, list)
        for entry in found:
            fixed = ", ".join(entry["fix_versions"]) or "no release yet"
            yield f"{package['name']} {package['version']}: {entry['id']}, fixed in {fixed}"


if __name__ == "__main__":
    sys.exit(main())
