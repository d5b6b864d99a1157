"""Named queries of a .sql file, as attributes that the type checker knows.

A file `queries.sql` of a package::

    -- name: balance_of
    -- The balance as of the last journal row.
    select balance from ledger.balance where book_id = %(book)s and account = %(account)s;

and beside it, in Python, the names it must have, no more and no fewer::

    class Queries(NamedQueries):
        balance_of: Query

    QUERIES = load(Queries, "ringfence.ledger")
    connection.execute(QUERIES.balance_of, {"book": 1, "account": 7})

A query is bytes: what psycopg takes without looking for Python formatting in it.
"""

import re
from importlib import resources
from typing import TypeVar, get_type_hints

Query = bytes

_NAME = re.compile(r"^-- name: (.*)$", re.MULTILINE)
_WORD = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)


class NamedQueries:
    """Base of a package's list of queries; `load` fills its annotated attributes."""


AnyQueries = TypeVar("AnyQueries", bound=NamedQueries)


def load(kind: type[AnyQueries], package: str, file: str = "sql/queries.sql") -> AnyQueries:
    """The queries of the file of a package; ValueError unless its names are exactly the attributes of `kind`."""
    found = split(resources.files(package).joinpath(file).read_text(encoding="utf-8"))
    expected = {name for name, hint in get_type_hints(kind).items() if hint is Query}
    if expected != found.keys():
        missing, spare = sorted(expected - found.keys()), sorted(found.keys() - expected)
        raise ValueError(f"{package}/{file}: missing {missing}, not declared {spare}")
    queries = kind()
    for name, text in found.items():
        setattr(queries, name, text.encode())
    return queries


def split(text: str) -> dict[str, str]:
    """The texts by name, in the order of the file. Nothing but comments may stand before the first name."""
    head, *rest = _NAME.split(text)
    if any(line.strip() and not line.startswith("--") for line in head.splitlines()):
        raise ValueError("SQL before the first `-- name:`")
    found: dict[str, str] = {}
    for name, body in zip(rest[::2], rest[1::2], strict=True):
        name = name.strip()  # noqa: PLW2901 - the line's end may carry spaces
        if not _WORD.fullmatch(name) or name in found:
            raise ValueError(f"query name {name!r} is not a new snake_case word")
        if not re.sub(r"--.*", "", body).strip():
            raise ValueError(f"query {name} is empty")
        found[name] = body.strip()
    return found
