"""Says which rows of a table a profile means by the values of their columns, such as those of a status. Pure."""

from collections.abc import Mapping, Sequence

from worker.connectors.file.table.csv_records import Record
from worker.connectors.file.table.layout import Layout
from worker.connectors.file.table.profile import plain
from worker.connectors.file.table.row_amount import cell


class Conditions:
    """Values of columns that a profile gives a meaning.

    Attributes:
        columns: The place of each column, with its values in plain form.
    """

    def __init__(self, layout: Layout, stated: Mapping[str, Sequence[str]]) -> None:
        self.columns = [
            (layout.column(name), frozenset(plain(value) for value in values)) for name, values in stated.items()
        ]

    def met_by(self, record: Record) -> bool:
        """Return whether a column of the record has one of its values."""
        return any(plain(cell(record, at)) in values for at, values in self.columns)
