"""Compares two catalogues, and states the differences in plain sentences. Pure."""

from collections.abc import Callable, Iterator, Mapping

from worker.schema.catalog import Catalog, CatalogTable, Column

FINMIND = frozenset({"users", "categories", "recurring_expenses", "expenses", "bills", "reminders", "audit_logs"})
"""FinMind's own tables: it may add columns, indexes and constraints, as long as ours is a part of what it has."""
_WRITTEN = "expenses"


def differences(expected: Catalog, found: Catalog, *, found_name: str) -> list[str]:
    """Say what `found` lacks, has on top, or has otherwise than `expected`; nothing when they agree.

    Args:
        found_name: How the sentences call the other side, such as "the database". Tables and functions that are not
            expected are not looked at: a database is shared.
    """
    sentences = list(_functions(expected, found, found_name))
    for name, table in expected.tables.items():
        other = found.tables.get(name)
        if other is None:
            sentences.append(f"{found_name} has no table {name}")
        elif name in FINMIND:
            sentences += _finmind_table(name, table, other, found_name)
        else:
            sentences += _own_table(name, table, other, found_name)
    return sentences


def exact_differences(expected: Catalog, found: Catalog, *, found_name: str) -> list[str]:
    """Say how `found` describes its tables otherwise than `expected`, FinMind's tables included."""
    sentences: list[str] = []
    for name, table in found.tables.items():
        if name not in expected.tables:
            sentences.append(f"{found_name} has a table {name} that is not expected")
        else:
            sentences += _own_table(name, expected.tables[name], table, found_name)
    return sentences


def _functions(expected: Catalog, found: Catalog, found_name: str) -> Iterator[str]:
    for name, body in expected.functions.items():
        if name not in found.functions:
            yield f"{found_name} has no function {name}"
        elif found.functions[name] != body:
            yield f"function {name} does something else in {found_name} than expected"


def _own_table(name: str, expected: CatalogTable, found: CatalogTable, found_name: str) -> Iterator[str]:
    yield from _columns(name, expected, found, found_name)
    for column in found.columns.keys() - expected.columns.keys():
        yield f"{found_name} has a column {name}.{column} that is not expected"
    yield from _named("constraint", name, expected.constraints, found.constraints, found_name)
    yield from _named("index", name, expected.indexes, found.indexes, found_name, allowed=_is_harmless_index)
    yield from _named("trigger", name, expected.triggers, found.triggers, found_name)


def _finmind_table(name: str, expected: CatalogTable, found: CatalogTable, found_name: str) -> Iterator[str]:
    yield from _columns(name, expected, found, found_name, defaults=False)
    if name != _WRITTEN:
        return
    for column in found.columns.keys() - expected.columns.keys():
        extra = found.columns[column]
        if not extra.nullable and extra.default is None:
            yield f"{found_name} demands a value for {name}.{column}, which the worker does not know"


def _columns(
    name: str, expected: CatalogTable, found: CatalogTable, found_name: str, *, defaults: bool = True
) -> Iterator[str]:
    for column, wanted in expected.columns.items():
        actual = found.columns.get(column)
        if actual is None:
            yield f"{found_name} has no column {name}.{column}"
            continue
        if actual.type != wanted.type:
            yield f"{name}.{column} is {actual.type} in {found_name}, expected {wanted.type}"
        if actual.nullable != wanted.nullable:
            yield f"{name}.{column} is {_null(actual)} in {found_name}, expected {_null(wanted)}"
        if defaults and actual.default != wanted.default:
            yield f"{name}.{column} has {_default(actual)} in {found_name}, expected {_default(wanted)}"


def _named(
    kind: str,
    table: str,
    expected: Mapping[str, str],
    found: Mapping[str, str],
    found_name: str,
    *,
    allowed: Callable[[str], bool] = lambda _: False,
) -> Iterator[str]:
    for name, definition in expected.items():
        actual = found.get(name)
        if actual is None:
            yield f"{found_name} has no {kind} {name} on {table}: {definition}"
        elif actual != definition:
            yield f"{kind} {name} on {table} is `{actual}` in {found_name}, expected `{definition}`"
    for name in found.keys() - expected.keys():
        if not allowed(found[name]):
            yield f"{found_name} has {kind} {name} on {table} that is not expected: {found[name]}"


def _is_harmless_index(definition: str) -> bool:
    """Return whether an index is allowed on top: operators may add one, but a unique one would refuse rows."""
    return not definition.startswith("CREATE UNIQUE")


def _null(column: Column) -> str:
    return "nullable" if column.nullable else "NOT NULL"


def _default(column: Column) -> str:
    return f"default {column.default}" if column.default else "no default"
