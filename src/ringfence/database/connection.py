"""Connections to PostgreSQL as one role, with settings that do not depend on the server's.

A connection is in UTC, finds nothing but what is qualified with its schema, and gives up instead of hanging: core waits
at most 10 s for a lock and 30 s for a statement, and no transaction sleeps for more than a minute. None of these
limits reaches a program that stands still inside a COPY: whoever waits for it ends its connection (`ledger.storage`).
The owner, who migrates, has no limits. Autocommit is off: `with connection.transaction():` is the habit.
"""

from typing import Any

import psycopg
from psycopg import conninfo as _conninfo
from psycopg_pool import ConnectionPool

from ringfence.database import RoleName, refusals

Connection = psycopg.Connection[tuple[Any, ...]]
Pool = ConnectionPool[Connection]

_ALWAYS = {
    "timezone": "UTC",
    "search_path": "pg_catalog",
    "jit": "off",
    "default_transaction_isolation": "read\\ committed",
}
_LIMITED = {"lock_timeout": "10s", "statement_timeout": "30s", "idle_in_transaction_session_timeout": "60s"}
_OF_ROLE: dict[str, dict[str, str]] = {
    "core": _LIMITED,
    "gateway": _LIMITED,
    "notary": {**_LIMITED, "statement_timeout": "5min"},  # it replays a part of the journal at a time
    "reader": {**_LIMITED, "statement_timeout": "2min", "default_transaction_read_only": "on"},
    "auditor": {**_LIMITED, "statement_timeout": "10min", "default_transaction_read_only": "on"},
}


def conninfo_of(parameters: dict[str, Any], role: RoleName | None) -> str:
    """The libpq connection string with the settings of a role (None: an administrator) added to `parameters`."""
    settings = {**_ALWAYS, **_OF_ROLE.get(role or "", {})}
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    defaults = {
        "application_name": f"ringfence {role or 'administrator'}",
        "client_encoding": "utf8",
        "connect_timeout": 10,
        "options": options,
        "keepalives_idle": 30,
        "keepalives_interval": 10,
        "keepalives_count": 3,
    }
    return _conninfo.make_conninfo(**{**defaults, **parameters})


def connect(conninfo: str, *, autocommit: bool = False) -> Connection:
    """A new connection; unreachable and unwelcome are refused by different names.

    The client library keeps no SQLSTATE of a failed connection, so whether a server answers at all is asked (PQping). A
    server that answers is tried a second time: the first attempt may have met it while it recovered.
    """
    found = _conninfo.conninfo_to_dict(conninfo)
    for attempt in (1, 2):
        try:
            return psycopg.connect(conninfo, autocommit=autocommit)
        except psycopg.OperationalError as error:
            detail = str(error).strip().splitlines()[-1]
            if psycopg.pq.PGconn.ping(conninfo.encode()) != psycopg.pq.Ping.OK:
                raise refusals.DATABASE_IS_UNREACHABLE(address=address_of(conninfo), detail=detail) from error
            if attempt == 2:
                user = found.get("user") or "(nobody)"
                raise refusals.DATABASE_REFUSES_THE_LOGIN(
                    address=address_of(conninfo), user=user, detail=detail
                ) from error
    raise AssertionError("two attempts end in a connection or a refusal")


def pool(conninfo: str, *, smallest: int = 1, largest: int = 8, name: str | None = None) -> Pool:
    """A pool whose connections are checked before use, so that a restart of the server costs a retry, not an error.

    Open it with `with`, which waits for the first connections.
    """
    connect(conninfo).close()  # so that a wrong address is refused by name and at once
    return ConnectionPool(
        conninfo,
        min_size=smallest,
        max_size=largest,
        open=False,
        name=name,
        timeout=15,
        check=ConnectionPool.check_connection,
    )


def address_of(conninfo: str) -> str:
    """Host, port and database of a connection string, for people: no password."""
    found = _conninfo.conninfo_to_dict(conninfo)
    return f"{found.get('host') or 'localhost'}:{found.get('port') or 5432}/{found.get('dbname') or ''}"
