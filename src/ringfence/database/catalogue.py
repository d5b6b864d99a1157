"""What a database is made of, as comparable text, and the difference between two.

    >>> before = {("ledger", "column", "ledger.book.name"): "position 2 type text"}
    >>> after = {("ledger", "column", "ledger.book.name"): "position 2 type text not null"}
    >>> print(difference(before, after, "road", "destination")[0])
    column ledger.book.name differs:
    - road:        position 2 type text
    + destination: position 2 type text not null

Not-null constraints are compared as columns, because only PostgreSQL 18 names them.
"""

import difflib
from collections.abc import Mapping

from ringfence.database.connection import Connection
from ringfence.database.queries import NamedQueries, Query, load

Catalogue = Mapping[tuple[str, str, str], str]
"""The definition of each object by (schema, kind, name)."""


class Queries(NamedQueries):
    catalogue: Query


QUERIES = load(Queries, "ringfence.database", "sql/catalogue.sql")


def read(connection: Connection) -> dict[tuple[str, str, str], str]:
    """The whole catalogue; ValueError if two objects would share a name, since one of them would not be compared."""
    found: dict[tuple[str, str, str], str] = {}
    with connection.transaction():
        for schema, kind, name, definition in connection.execute(QUERIES.catalogue):
            if (schema, kind, name) in found:
                raise ValueError(f"two of {kind} {name}")
            found[schema, kind, name] = definition
    return found


def difference(left: Catalogue, right: Catalogue, left_name: str, right_name: str) -> list[str]:
    """One readable paragraph for each object that is not the same on both sides."""
    width = max(len(left_name), len(right_name)) + 1
    told = []
    for key in sorted(left.keys() | right.keys()):
        _, kind, name = key
        if key not in right:
            told.append(f"{kind} {name} is only on the {left_name}:\n{_indented(left[key])}")
        elif key not in left:
            told.append(f"{kind} {name} is only on the {right_name}:\n{_indented(right[key])}")
        elif left[key] != right[key]:
            changes = difflib.ndiff(left[key].splitlines(), right[key].splitlines())
            sides = {"- ": f"- {left_name + ':':<{width}} ", "+ ": f"+ {right_name + ':':<{width}} "}
            lines = [sides[change[:2]] + change[2:] for change in changes if change[:2] in sides]
            told.append("\n".join([f"{kind} {name} differs:", *lines]))
    return told


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
