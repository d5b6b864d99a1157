"""The road: numbered migrations, each applied once, in order, in its own transaction, under one lock.

A migration is a file `NNNN_name.sql` of `migrations/`. The database remembers number, name and SHA-256 of each; a file
that differs from what was applied is refused, and so is a database that has gone further than this program knows.
A crash leaves whole migrations behind: run it again.

The destination is every package's `sql/schema.sql`, then its `sql/schema_*.sql` by name, in the order of PACKAGES.
`catalogue` compares the two.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable

import psycopg

from ringfence.database import PACKAGES, refusals
from ringfence.database.connection import Connection
from ringfence.database.roles import QUERIES

_FILE = re.compile(r"(\d{4})_([a-z][a-z0-9_]*)\.sql", re.ASCII)


@dataclass(frozen=True)
class Migration:
    """One step of the road."""

    number: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    def __str__(self) -> str:
        return f"{self.number:04d}_{self.name}"


def migrations(folder: Traversable | None = None) -> list[Migration]:
    """The files of the road in order; ValueError if one is misnamed or a number is missing or taken twice."""
    found = []
    for file in (folder or resources.files("ringfence.database").joinpath("migrations")).iterdir():
        match = _FILE.fullmatch(file.name)
        if match:
            found.append(Migration(int(match[1]), match[2], file.read_text(encoding="utf-8")))
        elif file.name.endswith(".sql"):
            raise ValueError(f"{file.name} is not NNNN_name.sql")
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise ValueError(f"the road has a gap or a fork: {[str(migration) for migration in found]}")
    return found


def upgrade(
    connection: Connection,
    road: Sequence[Migration] | None = None,
    report: Callable[[Migration], None] = lambda _: None,
) -> list[Migration]:
    """Walk what is left of the road as the owner; returns the migrations applied now."""
    steps = migrations() if road is None else road
    applied_now = []
    with connection.transaction():
        connection.execute(QUERIES.lock_road)
        _begin_road(connection)
    for step in steps:
        with connection.transaction():
            connection.execute(QUERIES.lock_road)
            if step.number <= _stands_at(connection, steps):
                continue
            report(step)
            _apply(connection, str(step), step.sql)
            facts = {"number": step.number, "name": step.name, "sha256": step.sha256}
            connection.execute(QUERIES.record_migration, facts)
            applied_now.append(step)
    require_current(connection, steps)
    return applied_now


def require_current(connection: Connection, road: Sequence[Migration] | None = None) -> None:
    """Refuse a database that stands elsewhere on the road than this program's end of it."""
    steps = migrations() if road is None else road
    with connection.transaction():
        row = connection.execute(QUERIES.road_exists).fetchone()
        if row != (True,):
            raise refusals.DATABASE_IS_NOT_PREPARED(detail="The database has no tables of Ringfence")
        stands = _stands_at(connection, steps)
    if stands < len(steps):
        raise refusals.DATABASE_IS_OLDER_THAN_THE_PROGRAM(applied=stands, known=len(steps))


def build_destination(
    connection: Connection, packages: Sequence[str] = PACKAGES, root: Traversable | None = None
) -> None:
    """Make every package's schema straight from its files; a package not written yet has none."""
    with connection.transaction():
        _begin_road(connection)
        for package in packages:
            for file in schema_files(package, root):
                _apply(connection, f"{package}/sql/{file.name}", file.read_text(encoding="utf-8"))


def schema_files(package: str, root: Traversable | None = None) -> list[Traversable]:
    """What a package's tables look like, in the order to run it: schema.sql, then schema_*.sql by name."""
    folder = (root or resources.files("ringfence")).joinpath(package, "sql")
    files = list(folder.iterdir()) if folder.is_dir() else []
    parts = [file for file in files if file.name.startswith("schema_") and file.name.endswith(".sql")]
    whole = [file for file in files if file.name == "schema.sql"]
    return whole + sorted(parts, key=lambda file: file.name)


def _begin_road(connection: Connection) -> None:
    if connection.execute(QUERIES.road_exists).fetchone() == (False,):
        sql = resources.files("ringfence.database").joinpath("sql", "schema.sql").read_text(encoding="utf-8")
        _apply(connection, "database/sql/schema.sql", sql)


def _stands_at(connection: Connection, steps: Sequence[Migration]) -> int:
    """The last number applied, after checking that what was applied is what stands in the files."""
    applied = connection.execute(QUERIES.applied_migrations).fetchall()
    if len(applied) > len(steps):
        raise refusals.DATABASE_IS_NEWER_THAN_THE_PROGRAM(applied=len(applied), known=len(steps))
    for (number, name, sha256), step in zip(applied, steps, strict=False):
        if (number, name, sha256) != (step.number, step.name, step.sha256):
            raise refusals.MIGRATION_HISTORY_WAS_ALTERED(
                number=number, applied=f"{name} {sha256[:12]}", found=f"{step.name} {step.sha256[:12]}"
            )
    return len(applied)


def _apply(connection: Connection, name: str, sql: str) -> None:
    """Run a file inside the open transaction; a file that ends the transaction itself is a defect of the file."""
    before = connection.execute(QUERIES.this_transaction).fetchone()
    try:
        connection.execute(sql.encode())
    except psycopg.Error as error:
        error.add_note(f"in {name}")
        raise
    if connection.execute(QUERIES.this_transaction).fetchone() != before:
        raise ValueError(f"{name} ends its transaction; a migration is one transaction")
