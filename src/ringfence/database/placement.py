"""How books would lie on several nodes of one PostgreSQL cluster: the statements for Citus, read from the catalogue.

A book lies whole on one node: every table that has a `book_id` is distributed by it, beside `ledger.head`. Registries
that every node reads are reference tables. What Citus cannot do is listed as an obstacle, and a test keeps the list
empty: a key without the book, a reference that crosses books, a trigger on a reference table, a function that changes
a book's number or locks rows of several books.

The statements are those of Citus 13 and 14 (docs.citusdata.com: "Creating and Modifying Distributed Objects (DDL)",
"Citus Utility Functions", "Configuration Reference"), and its `policy.c`, which takes no policy with a sub-select on a
distributed table: on a cluster books are not kept apart by row security; docs/operate/scale.md says how they are used.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load

BESIDE: Final = "ledger.head"
"""What everything of a book lies beside: the row that orders its writers."""

SETTINGS: Final = ("citus.enable_unsafe_triggers", "citus.allow_nested_distributed_execution")
"""Our triggers look only at rows of the book that they fire for, which lie on the same node; Citus cannot know that."""

REASONS: Final[Mapping[str, str]] = {
    "ledger.book": "the registry of books: names are unique over all of them",
    "ledger.service": "which login serves which book: every node has to know",
    "ledger.part": "where each part of the journal begins and ends, the same for every book",
    "database.migration": "how far the tables are; only who migrates reads it",
}
"""Why a table is not distributed by its book."""

APPENDING: Final = ("ledger.advance(", "ledger.append(", "ledger.promise(", "ledger.hold_head(")

_CHANGES_BOOK: Final = re.compile(r"\bset\s+(\w+\s*=[^;]*,\s*)?book_id\s*=", re.IGNORECASE)
_LOCKS: Final = re.compile(r"\bfor\s+(no\s+key\s+)?(update|share)\b", re.IGNORECASE)
_OF_A_BOOK: Final = re.compile(r"\bbook_id\s*=", re.IGNORECASE)
_DEFINES: Final = re.compile(
    r"\b(create|alter|drop|detach|attach)\s+(unlogged\s+)?(table|partition|unique|index|trigger)", re.IGNORECASE
)


class _Queries(NamedQueries):
    placements: Query
    policies_off: Query
    references_between: Query
    table_obstacles: Query
    triggers_of: Query
    functions: Query
    statement_of: Query


QUERIES = load(_Queries, "ringfence.database", "sql/placement.sql")


@dataclass(frozen=True)
class Obstacle:
    """Something that keeps books from lying on several nodes."""

    subject: str
    why: str


@dataclass(frozen=True)
class _Reference:
    name: str
    refers_to: str
    constraint: str
    by_book: bool
    sets_null: bool


def placements(connection: Connection) -> dict[str, str]:
    """`distributed`, `reference` or `local` for each table."""
    return {name: where for name, where in connection.execute(QUERIES.placements)}  # noqa: C416 - rows are any tuple


def obstacles(connection: Connection) -> list[Obstacle]:
    """What Citus would refuse, or do wrongly."""
    lies = placements(connection)
    distributed = [name for name, placement in lies.items() if placement == "distributed"]
    found = [Obstacle(*row) for row in connection.execute(QUERIES.table_obstacles, {"tables": distributed})]
    found += [
        Obstacle(name, "nobody has said why it has no book") for name in lies if name not in (*distributed, *REASONS)
    ]
    for each in _references(connection):
        here, there = lies[each.name], lies[each.refers_to]
        if here == there == "distributed" and not each.by_book:
            found.append(Obstacle(each.name, f"{each.constraint} refers across books"))
        if here != "distributed" and there == "distributed":
            found.append(Obstacle(each.name, f"{each.constraint} refers from every node to one"))
        if each.sets_null:
            found.append(Obstacle(each.name, f"{each.constraint} would set book_id to null"))
    spread = [name for name, placement in lies.items() if placement == "reference"]
    for name, trigger in connection.execute(QUERIES.triggers_of, {"tables": spread}):
        found.append(Obstacle(name, f"{trigger} would fire on every node"))
    for signature, _, _, source in connection.execute(QUERIES.functions):
        found += [Obstacle(signature, why) for why in _wrong_in(source)]
    return found


def wrong_in_queries(texts: Mapping[str, str]) -> list[Obstacle]:
    """The same rules for named queries: no book is renumbered, no rows of several books are locked."""
    return [Obstacle(name, why) for name, text in texts.items() for why in _wrong_in(text)]


def statements(connection: Connection) -> list[str]:
    """What to run on the coordinator, after `ringfence migrate` and before the first book is opened."""
    lies, references = placements(connection), _references(connection)
    spread = [name for name, placement in lies.items() if placement == "reference"]
    distributed = _parents_first([name for name, placement in lies.items() if placement == "distributed"], references)
    said = [_statement(connection, kind, name) for name in SETTINGS for kind in ("setting", "here")]
    said += [text for row in connection.execute(QUERIES.policies_off) for text in row]
    said += [_statement(connection, "reference", name) for name in spread]
    said.append(_statement(connection, "first", BESIDE))
    said += [_statement(connection, "distributed", name) for name in distributed if name != BESIDE]
    for signature, takes_book, is_trigger, source in connection.execute(QUERIES.functions).fetchall():
        if is_trigger or _on_the_coordinator(source, spread):
            continue
        kind = "appends" if signature.startswith(APPENDING) else "of a book" if takes_book else "function"
        said.append(_statement(connection, kind, signature))
    return said


def on_the_coordinator(connection: Connection) -> list[str]:
    """Functions that make tables or write a registry: they are called on the coordinator only."""
    lies = placements(connection)
    spread = [name for name, placement in lies.items() if placement == "reference"]
    functions = connection.execute(QUERIES.functions).fetchall()
    return [
        signature
        for signature, _, is_trigger, source in functions
        if not is_trigger and _on_the_coordinator(source, spread)
    ]


def _on_the_coordinator(source: str, spread: Sequence[str]) -> bool:
    writes = any(
        re.search(rf"\b(insert\s+into|update|delete\s+from)\s+{re.escape(name)}\b", source, re.IGNORECASE)
        for name in spread
    )
    return writes or _DEFINES.search(source) is not None


def _wrong_in(source: str) -> Iterator[str]:
    for statement in source.split(";"):
        if _CHANGES_BOOK.search(statement):
            yield "changes a book's number"
        if _LOCKS.search(statement) and not _OF_A_BOOK.search(statement):
            yield "locks rows of more than one book"


def _references(connection: Connection) -> list[_Reference]:
    return [_Reference(*row) for row in connection.execute(QUERIES.references_between)]


def _parents_first(tables: Sequence[str], references: Sequence[_Reference]) -> list[str]:
    placed: list[str] = []
    waiting = sorted(tables)
    while waiting:
        ready = [
            name
            for name in waiting
            if all(each.refers_to not in waiting for each in references if each.name == name != each.refers_to)
        ]
        if not ready:
            raise ValueError(f"references go round in a circle: {waiting}")
        placed += ready
        waiting = [name for name in waiting if name not in ready]
    return placed


def _statement(connection: Connection, kind: str, name: str) -> str:
    row = connection.execute(QUERIES.statement_of, {"kind": kind, "name": name, "beside": BESIDE}).fetchone()
    return str(row[0]) if row else ""
