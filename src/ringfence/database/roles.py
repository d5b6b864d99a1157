"""The six roles, their passwords, the logins of books that have their own, and the database they share.

  owner    migrates and owns everything; no process of the day uses it
  core     checks rules, appends to the journal            gateway  reads orders, imports bank files, pays out
  notary   reads the journal, keeps checkpoints            reader   reads what a program may show
  auditor  reads everything, changes nothing

What each may do in a package's schema stands in that package's schema.sql. Roles belong to the whole cluster; each has
a random password in a file of its own, home/keys/database-ROLE.password (0600), so that a process can be given its own
and no other.

A book may have logins of its own: `ringfence_ROLE_BOOK`, a member of the role, which has the role's rights and no more,
with its password in home/keys/database-ROLE.BOOK.password. A program that finds that file connects by it. What such a
login sees is its book's alone (`ledger/sql/schema_serving.sql`).
"""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ringfence.database import ROLES, RoleName, connection, refusals
from ringfence.database.files import private_folder, write_once
from ringfence.database.queries import NamedQueries, Query, load
from ringfence.refusal import Refused

if TYPE_CHECKING:
    from ringfence.database.server import Server

VERSION_MIN = 15
OF_A_BOOK: Final[tuple[RoleName, ...]] = tuple(role for role in ROLES if role != "owner")
_NAME_BYTES_MAX: Final = 63  # PostgreSQL cuts a longer name


class Queries(NamedQueries):
    rights_of_this_user: Query
    lock_preparation: Query
    role_exists: Query
    statement_to_create_role: Query
    statement_to_create_member: Query
    statement_to_drop_role: Query
    statement_to_set_password: Query
    database_exists: Query
    statement_to_create_database: Query
    statements_to_open_database: Query
    lock_road: Query
    road_exists: Query
    applied_migrations: Query
    record_migration: Query
    this_transaction: Query


QUERIES = load(Queries, "ringfence.database")


def name_of(role: RoleName, book: str | None = None) -> str:
    """The login of a role: the one that books share, or a book's own."""
    return f"ringfence_{role}" if book is None else f"ringfence_{role}_{book}"


def password_file(home: Path, role: RoleName, book: str | None = None) -> Path:
    return home / "keys" / (f"database-{role}.password" if book is None else f"database-{role}.{book}.password")


def password_of(home: Path, role: RoleName, book: str | None = None) -> str:
    path = password_file(home, role, book)
    try:
        return path.read_text().strip()
    except OSError as error:
        raise refusals.KEY_IS_MISSING(role=name_of(role, book), path=path, detail=error.strerror) from error


def has_own_login(home: Path, role: RoleName, book: str | None) -> bool:
    """Whether this home holds the key of a book's own login in a role."""
    return book is not None and role in OF_A_BOOK and password_file(home, role, book).exists()


def books_apart(home: Path, role: RoleName) -> list[str]:
    """The books whose own login in a role this home holds the key of."""
    found = (home / "keys").glob(f"database-{role}.*.password")
    return sorted(path.name.removeprefix(f"database-{role}.").removesuffix(".password") for path in found)


def create_roles(server: "Server", *, new_passwords: bool = False) -> None:
    """Every role, and each login of a book that has a file, exists and opens with it. Checked in this order: version,
    rights, passwords of old roles.
    """
    private_folder(server.home / "keys")
    with server.connect_as_administrator() as administrator:
        row = administrator.execute(QUERIES.rights_of_this_user).fetchone()
        assert row is not None  # noqa: S101 - a connected user is a role
        require_rights(server.address, *row)
        administrator.execute(QUERIES.lock_preparation)
        for role in ROLES:
            _create_role(server, administrator, role, new_password=new_passwords)
            for book in books_apart(server.home, role):
                _create_role(server, administrator, role, book, new_password=new_passwords)


def create_logins(server: "Server", book: str) -> list[str]:
    """A book's own logins exist and open with their files; their names. `login_name_is_too_long`."""
    names = [name_of(role, book) for role in OF_A_BOOK]
    if too_long := [name for name in names if len(name.encode()) > _NAME_BYTES_MAX]:
        raise refusals.LOGIN_NAME_IS_TOO_LONG(login=too_long[0], most=_NAME_BYTES_MAX)
    with server.connect_as_administrator() as administrator:
        administrator.execute(QUERIES.lock_preparation)
        for role in OF_A_BOOK:
            _create_role(server, administrator, role, book)
    return names


def drop_logins(server: "Server", book: str) -> None:
    """A book's own logins are gone, with their files."""
    with server.connect_as_administrator() as administrator:
        administrator.execute(QUERIES.lock_preparation)
        for role in OF_A_BOOK:
            name = name_of(role, book)
            if _one(administrator, QUERIES.role_exists, role=name):
                administrator.execute(_one(administrator, QUERIES.statement_to_drop_role, role=name).encode())
            password_file(server.home, role, book).unlink(missing_ok=True)


def require_rights(
    address: str, user: str, superuser: bool, may_create_roles: bool, may_create_databases: bool, version: int
) -> None:
    """Refuse a server that is too old, and then a user who may not do what preparing needs."""
    if version < VERSION_MIN * 10000:
        raise refusals.DATABASE_IS_TOO_OLD(address=address, found=f"{version // 10000}.{version % 10000}")
    for permitted, missing in ((may_create_roles, "create roles"), (may_create_databases, "create databases")):
        if not (superuser or permitted):
            raise refusals.DATABASE_RIGHTS_ARE_INSUFFICIENT(user=user, address=address, missing=missing)


def _create_role(
    server: "Server",
    administrator: connection.Connection,
    role: RoleName,
    book: str | None = None,
    *,
    new_password: bool = False,
) -> None:
    name, path = name_of(role, book), password_file(server.home, role, book)
    existed = _one(administrator, QUERIES.role_exists, role=name)
    write_once(path, secrets.token_urlsafe(32))
    if existed and not new_password:
        if not any(_lets_in(server.of(book), role, database) for database in (server.database, "postgres")):
            raise refusals.DATABASE_ROLE_HAS_ANOTHER_PASSWORD(role=name, address=server.address, path=path)
        return
    password = password_of(server.home, role, book).encode()
    verifier = administrator.pgconn.encrypt_password(password, name.encode(), b"scram-sha-256").decode()
    with administrator.transaction():
        if not existed:
            create = QUERIES.statement_to_create_role if book is None else QUERIES.statement_to_create_member
            statement = _one(administrator, create, role=name, member_of=name_of(role))
            administrator.execute(statement.encode())
        statement = _one(administrator, QUERIES.statement_to_set_password, role=name, verifier=verifier)
        administrator.execute(statement.encode())


def _lets_in(server: "Server", role: RoleName, database: str) -> bool:
    """Whether the role's password opens this database: ours, or everybody's as long as there is none of ours."""
    try:
        server.connect(role, database).close()
    except Refused as refused:
        if refused.name != refusals.DATABASE_REFUSES_THE_LOGIN.name:
            raise
        return False
    return True


def create_database(server: "Server", database: str | None = None) -> None:
    """The database exists, and only our roles may connect to it."""
    name = database or server.database
    with server.connect_as_administrator() as administrator:
        administrator.execute(QUERIES.lock_preparation)
        if not _one(administrator, QUERIES.database_exists, database=name):
            administrator.execute(_one(administrator, QUERIES.statement_to_create_database, database=name).encode())
        facts = {
            "database": name,
            "roles": [name_of(role) for role in ROLES],
            "owner": name_of("owner"),
            "core": name_of("core"),
        }
        for (statement,) in administrator.execute(QUERIES.statements_to_open_database, facts).fetchall():
            administrator.execute(statement.encode())


def _one(administrator: connection.Connection, query: Query, **facts: object) -> Any:
    row = administrator.execute(query, facts).fetchone()
    assert row is not None  # noqa: S101 - each of these queries gives one row
    return row[0]
