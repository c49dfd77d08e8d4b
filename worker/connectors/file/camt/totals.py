"""Compares the entries of a CAMT statement with the numbers and sums that it states about them. Pure."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from worker.connectors.file.camt.entries import entry_amount
from worker.connectors.file.camt.headers import stated_number
from worker.connectors.file.camt.xml_stream import Node
from worker.money import money_in

_ALL, _IN, _OUT = "TtlNtries", "TtlCdtNtries", "TtlDbtNtries"
_SHOWN = 20


@dataclass(slots=True)
class EntryTotals:
    """Number and sum of the entries of one statement."""

    _numbers: Counter[str] = field(default_factory=Counter)
    _sums: dict[str, Decimal] = field(default_factory=dict)
    _unread: int = 0

    def count(self, node: Node) -> None:
        """Count one entry."""
        self._numbers[_ALL] += 1
        try:
            amount, _ = entry_amount(node)
        except ValueError:
            self._unread += 1
            return
        name = _IN if amount > 0 else _OUT
        self._numbers[name] += 1
        self._sums[name] = self._sums.get(name, Decimal(0)) + abs(amount)

    def differences(self, stated: Node) -> Iterator[str]:
        """Yield what a `TxsSummry` element says otherwise, a sentence each."""
        for name in (_ALL, _IN, _OUT):
            if name != _ALL and self._unread:
                continue
            number, told = self._numbers[name], stated.get(f"{name}/NbOfNtries")
            if told and told.isdecimal() and stated_number(told) != number:
                yield f"the statement says {told[:_SHOWN]} entries ({name}) and holds {number}"
            told = stated.get(f"{name}/Sum")
            if told and name != _ALL and money_in(told) != self._sums.get(name, Decimal(0)):
                yield f"the statement says entries of {told} ({name}), they sum to another"


def batch_differences(entry: Node) -> Iterator[str]:
    """Yield what the batches of an entry say otherwise about the payments that they list, a sentence each."""
    for details in entry.all("NtryDtls"):
        listed, told = list(details.all("TxDtls")), details.get("Btch/NbOfTxs")
        if len(listed) < 2:  # noqa: PLR2004 - a batch that lists no payments, or sums them up in one
            continue
        if told and told.isdecimal() and stated_number(told) != len(listed):
            yield f"a batch says that it has {told[:_SHOWN]} payments and lists {len(listed)}"
        amounts = [one.find("Amt") or one.find("AmtDtls/TxAmt/Amt") for one in listed]
        values = [money_in(amount.text.strip()) for amount in amounts if amount is not None]
        total = money_in((details.get("Btch/TtlAmt") or "").strip())
        one_way = len({one.get("CdtDbtInd") for one in listed}) == 1
        if total is not None and len(values) == len(listed) and None not in values and one_way:
            made = sum((value for value in values if value is not None), Decimal(0))
            if made != total:
                yield f"a batch says that its payments make {total:f}, they make {made:f}"
