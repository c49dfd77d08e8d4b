"""Mutates invented statements and judges what is read of them: no row may vanish where the file itself shows it.

    python -m tests.file.mutants.campaign --count 4000 --seed 1

The rows of the unmutated file are the truth. A mutant that yields fewer of them is fine when something tells: a
refusal, a rejected row, a remark, or balances that do not add up. Otherwise it is either a loss that no reader could
see (a whole line of a table without balances deleted) or a silent loss, which is a defect. Prints a table per sample.
"""

import argparse
import re
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from random import Random

from tests.file.mutants.mutations import MUTATIONS, Mutant, mutant
from tests.file.mutants.samples import SAMPLES, Sample
from worker.connectors.file.config import FileConfig
from worker.connectors.file.folder import Folder
from worker.connectors.file.statement.events import Row, day_of

VERDICTS = ("all rows", "told", "refused", "not visible", "wrong", "silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was understood of a file. told: what says that something is missing or odd."""

    rows: Counter[tuple[object, ...]]
    told: tuple[str, ...]
    refused: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A mutant with its verdict."""

    sample: str
    mutant: Mutant
    verdict: str
    lost: tuple[tuple[object, ...], ...]


def understand(path: Path) -> Reading:
    """Read a file as an import does."""
    config = FileConfig(path=path)
    folder = Folder.inspect(config)
    rows: Counter[tuple[object, ...]] = Counter()
    told = []
    for file in folder.files:
        summary = file.summary
        for event in folder.events(file):
            if isinstance(event, Row):
                one = event.transaction
                rows[one.account_id, day_of(one), one.amount, one.currency] += 1
        told += [row.reason for row in summary.bad_rows] + [remark.reason for remark in summary.remarks]
        told += [one.reason for account in summary.accounts.values() for one in account.imbalances]
    refused = str(folder.refused[0]) if folder.refused else None
    return Reading(rows=rows, told=tuple(told), refused=refused)


def judge(truth: Reading, found: Reading, one: Mutant, sample: Sample) -> tuple[str, tuple[tuple[object, ...], ...]]:
    """Return the verdict over a mutant and the rows it lost."""
    lost = tuple((truth.rows - found.rows).elements())
    if found.refused:
        return "refused", lost
    if not lost:
        return "all rows", lost
    if found.told:
        return "told", lost
    if found.rows.total() >= truth.rows.total():
        return "wrong", lost  # a figure was changed into another one that is as good
    return ("not visible" if _invisible(one, sample) else "silent"), lost


def _invisible(one: Mutant, sample: Sample) -> bool:
    """Whether whole records were taken out of a file that states nothing about their number or sum."""
    gone = one.removed
    if not gone:
        return False
    if sample.suffix == "csv":
        return gone.endswith("\n") or gone.count("\n") >= 1
    if sample.suffix == "qif":
        return gone.count("^") > 0 and len(re.findall(r"^D", gone, re.MULTILINE)) == gone.count("^")
    if sample.suffix == "ofx":
        return gone.count("<STMTTRN>") == gone.count("</STMTTRN>") > 0 and "<STMTRS>" not in gone
    # MT940: a file that ends with a whole message may be all there is
    return sample.suffix == "sta" and gone.lstrip("-}\n").startswith((":20:", "{1:"))


def campaign(count: int, seed: int, place: Path, only: str | None = None) -> list[Finding]:
    """Judge `count` mutants of each sample."""
    findings = []
    for sample in SAMPLES:
        if only and sample.name != only and not (only.endswith("-") and sample.name.startswith(only)):
            continue
        random = Random(f"{seed}:{sample.name}")
        truth = _reading(place, sample, sample.text.encode(sample.encoding))
        assert truth.rows.total() == 12, (sample.name, truth)
        assert not truth.told, (sample.name, truth.told)
        kinds = list(MUTATIONS)
        for number in range(count):
            one = mutant(sample.text, sample.encoding, kinds[number % len(kinds)], random)
            verdict, lost = judge(truth, _reading(place, sample, one.data), one, sample)
            findings.append(Finding(sample=sample.name, mutant=one, verdict=verdict, lost=lost))
    return findings


def _reading(place: Path, sample: Sample, data: bytes) -> Reading:
    path = place / f"mutant.{sample.suffix}"
    path.write_bytes(data)
    return understand(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="Mutants of each sample.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="One sample, or with a dash behind it all whose name begins so.")
    parser.add_argument("--keep", type=Path, help="Folder that silent and wrong mutants are written to.")
    stated = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        findings = campaign(stated.count, stated.seed, Path(place), stated.only)
    table = Counter((one.sample, one.verdict) for one in findings)
    print(f"{'':20}" + "".join(f"{verdict:>13}" for verdict in VERDICTS))
    for name in dict.fromkeys(one.sample for one in findings):
        print(f"{name:20}" + "".join(f"{table[name, verdict]:>13}" for verdict in VERDICTS))
    for number, one in enumerate(findings):
        if one.verdict in {"silent", "wrong"} and stated.keep:
            stated.keep.mkdir(parents=True, exist_ok=True)
            path = stated.keep / f"{one.verdict}-{one.sample}-{one.mutant.kind.replace(' ', '_')}-{number}.txt"
            path.write_bytes(one.mutant.data)
    silent = [one for one in findings if one.verdict == "silent"]
    for one in silent[:20]:
        print(f"silent: {one.sample}, {one.mutant.kind}: lost {one.lost[0]}")
    sys.exit(bool(silent))


if __name__ == "__main__":
    main()
