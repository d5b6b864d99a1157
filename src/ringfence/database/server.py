"""A PostgreSQL that answers: the embedded one of a home, or yours.

`open_server` is the only way in. What it gives connects as a role with the password of home/keys; of an administrator
(the embedded superuser, or the user of your URL) only `prepare` and the tests know.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from psycopg import conninfo as _conninfo

from ringfence.database import RoleName, connection, embedded, migrate, refusals, roles
from ringfence.refusal import Refused

DATABASE = "ringfence"


@dataclass(frozen=True)
class Server:
    """Where a PostgreSQL answers, which database of it is ours, and whose keys open it."""

    home: Path
    database: str
    parameters: Mapping[str, Any] = field(repr=False)  # libpq's, without user, password and dbname
    administrator: Mapping[str, Any] = field(repr=False)  # user and password
    book: str | None = None  # whose own logins are taken, where the home holds their keys

    def of(self, book: str | None) -> "Server":
        """The same server for whoever works on one book: by the book's own logins, if it has some."""
        return replace(self, book=book)

    def conninfo(self, role: RoleName, database: str | None = None) -> str:
        """A libpq connection string, password included: for this process, not for logs."""
        own = self.book if roles.has_own_login(self.home, role, self.book) else None
        password = roles.password_of(self.home, role, own)
        named = {"user": roles.name_of(role, own), "password": password, "dbname": database or self.database}
        return connection.conninfo_of({**self.parameters, **named}, role)

    def connect(self, role: RoleName, database: str | None = None) -> connection.Connection:
        return connection.connect(self.conninfo(role, database))

    def pool(self, role: RoleName, *, smallest: int = 1, largest: int = 8) -> connection.Pool:
        return connection.pool(self.conninfo(role), smallest=smallest, largest=largest, name=f"ringfence-{role}")

    def connect_as_administrator(self) -> connection.Connection:
        """Autocommit is on: what an administrator does here, PostgreSQL does not let into a transaction.

        The database is `postgres`, or where somebody removed or closed it, the next that lets the administrator in.
        """
        first: Refused | None = None
        for database in ("postgres", self.database, "template1"):
            named = {**self.administrator, "dbname": database}
            try:
                return connection.connect(connection.conninfo_of({**self.parameters, **named}, None), autocommit=True)
            except Refused as refused:
                first = first or refused
                if refused.name != refusals.DATABASE_REFUSES_THE_LOGIN.name:
                    break
        assert first is not None  # noqa: S101 - the loop has ended without a connection
        raise first

    @property
    def address(self) -> str:
        return connection.address_of(_conninfo.make_conninfo(**{**self.parameters, "dbname": self.database}))


@contextmanager
def open_server(
    home: Path,
    url: str | None = None,
    report: Callable[[embedded.Progress], None] = lambda _: None,
    *,
    tcp_port: int | None = None,
    settings: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """The server of `url`, or without one the embedded server of `home`, in use until the block ends."""
    if url:
        yield external(home, url)
        return
    lease = embedded.start(home, report, tcp_port=tcp_port, settings=settings)
    try:
        yield Server(
            home,
            DATABASE,
            {
                "host": str(lease.directory),
                "port": lease.port,
                "sslmode": "disable",
                "gssencmode": "disable",
                "require_auth": "scram-sha-256",
                "channel_binding": "disable",
                "target_session_attrs": "any",
            },
            embedded.superuser(home),
        )
    finally:
        lease.close()


def external(home: Path, url: str) -> Server:
    """Your PostgreSQL. The URL's database is ours; without one, or with `postgres`, it is `ringfence`."""
    try:
        found = _conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError as error:
        raise refusals.DATABASE_URL_IS_WRONG(detail=str(error).strip()) from error
    database = str(found.pop("dbname", None) or DATABASE)
    administrator: dict[str, Any] = {name: found.pop(name) for name in ("user", "password") if name in found}
    return Server(home, DATABASE if database == "postgres" else database, found, administrator)


def prepare(
    server: Server, report: Callable[[migrate.Migration], None] = lambda _: None, *, new_passwords: bool = False
) -> None:
    """Roles, database and migrations are there; running it again changes nothing."""
    with refusals.refusing():
        roles.create_roles(server, new_passwords=new_passwords)
        roles.create_database(server)
        with server.connect("owner") as owner:
            migrate.upgrade(owner, report=report)
