"""Fixtures shared by all tests.

`database` is a new, empty database with every package's tables, on a real PostgreSQL: the embedded one, shared by all
workers of a run, or the one of RINGFENCE_TEST_DATABASE_URL (or RINGFENCE_DATABASE_URL), whose roles get new passwords.
It is copied from a template that is built once a run. A database is some 500 files, and each test makes one: on a disk
that costs up to half a second, in memory 30 ms. So the embedded server lies in memory where there is room for it.
"""

import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from ringfence.database import PACKAGES, RoleName, migrate, roles
from ringfence.database.connection import Connection
from ringfence.database.server import Server, open_server

MEMORY_BYTES = 4 * 2**30
_QUICK = {
    "fsync": "off",
    "shared_buffers": "128MB",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "max_connections": "200",
}


@pytest.fixture(scope="session")
def real_files() -> Path:
    """The folder of real bank files and lists, which is not part of the project."""
    folder = Path(os.environ.get("RINGFENCE_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the folder of real files {folder} is missing; set RINGFENCE_DATA")
    return folder


@pytest.fixture(scope="session")
def external_url() -> str | None:
    """Your own PostgreSQL, if the run is pointed at one."""
    return os.environ.get("RINGFENCE_TEST_DATABASE_URL") or os.environ.get("RINGFENCE_DATABASE_URL") or None


@pytest.fixture(scope="session")
def run_home() -> Iterator[Path]:
    """One short home for all workers of a run; the last worker to leave removes it."""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", secrets.token_hex(8))
    home = _quickest_folder() / f"ringfence-tests-{os.geteuid()}-{run[:12]}"
    home.mkdir(mode=0o700, exist_ok=True)
    with (home / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)
        yield home
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(home, ignore_errors=True)


def _quickest_folder() -> Path:
    """A folder in memory with room for a run, or the one for temporary files. All workers of a run have to agree, so
    what is measured is the room that there is in all, and not what is left.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).total >= MEMORY_BYTES:
        return memory
    return Path(tempfile.gettempdir())


@pytest.fixture(scope="session")
def server(run_home: Path, external_url: str | None) -> Iterator[Server]:
    """A PostgreSQL with our roles. The embedded one does not wait for the disk, which only power loss would tell."""
    with open_server(run_home, external_url, settings=_QUICK) as found:
        with (run_home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (run_home / "roles").exists():
                roles.create_roles(found, new_passwords=True)
                (run_home / "roles").touch()
        yield found


@pytest.fixture(scope="session")
def template(server: Server, run_home: Path) -> Iterator[str]:
    """A database at the destination of every package, which tests copy; the last worker to leave drops it."""
    name = f"ringfence_template_{run_home.name[-12:].replace('-', '_')}"
    with (run_home / "template-users").open("w") as users, (run_home / "lock").open("w") as lock:
        fcntl.flock(users, fcntl.LOCK_SH)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (run_home / "template").exists():
            roles.create_database(server, name)
            with server.connect("owner", name) as owner:
                (run_home / "template").write_text(_build(owner))
        fcntl.flock(lock, fcntl.LOCK_UN)
        yield name
        with suppress(BlockingIOError):
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _drop(server, name)


def _build(owner: Connection) -> str:
    """Every package's tables, as far as they can be built; the rest is the complaint of the first that cannot."""
    for package in PACKAGES:
        try:
            migrate.build_destination(owner, [package])
        except psycopg.Error as error:
            return f"{package}\n{error}\n{''.join(getattr(error, '__notes__', []))}"
    return ""


def _require_built(complaint: str, module: str) -> None:
    """A package's tests need the tables of its own package and of those before; all other tests need every table."""
    subject = module.removeprefix("test_").partition("_")[0]
    broken = complaint.partition("\n")[0]
    needed = (
        () if subject == "database" else PACKAGES[: PACKAGES.index(subject) + 1] if subject in PACKAGES else PACKAGES
    )
    if broken in needed:
        pytest.fail(f"the tables of {complaint}", pytrace=False)


def _drop(server: Server, name: str) -> None:
    with server.connect_as_administrator() as administrator:
        statement = psycopg.sql.SQL("drop database if exists {} with (force)")
        administrator.execute(statement.format(psycopg.sql.Identifier(name)))


@dataclass
class Database:
    """A database of one test. `connect("core")` is a connection as that role, closed after the test."""

    server: Server
    name: str
    _opened: list[Connection] = field(default_factory=list)

    def connect(self, role: RoleName) -> Connection:
        self._opened.append(self.server.connect(role, self.name))
        return self._opened[-1]

    def conninfo(self, role: RoleName) -> str:
        return self.server.conninfo(role, self.name)

    def close(self) -> None:
        for connection in self._opened:
            connection.close()


@pytest.fixture(scope="session")
def new_database(server: Server) -> Callable[[str | None], str]:
    """Make a database, as a copy of a template or empty; returns its name."""

    def make(template: str | None) -> str:
        name = f"ringfence_test_{secrets.token_hex(6)}"
        if template is None:
            roles.create_database(server, name)
            return name
        with server.connect_as_administrator() as administrator:
            administrator.execute(
                psycopg.sql.SQL("create database {} template {}").format(
                    psycopg.sql.Identifier(name), psycopg.sql.Identifier(template)
                )
            )
        roles.create_database(server, name)
        return name

    return make


@pytest.fixture
def dropping(server: Server) -> Iterator[Callable[[str], str]]:
    """Names a database that is to be dropped after the test."""
    names: list[str] = []

    def drop_after(name: str) -> str:
        names.append(name)
        return name

    yield drop_after
    for name in names:
        _drop(server, name)


@pytest.fixture
def database(
    request: pytest.FixtureRequest,
    run_home: Path,
    server: Server,
    template: str,
    new_database: Callable[[str | None], str],
    dropping: Callable[[str], str],
) -> Iterator[Database]:
    """A new database with every package's tables."""
    _require_built((run_home / "template").read_text(), request.module.__name__)
    found = Database(server, dropping(new_database(template)))
    yield found
    found.close()


@pytest.fixture(scope="module")
def module_database(server: Server, template: str, new_database: Callable[[str | None], str]) -> Iterator[Database]:
    """One database for all tests of a module that only read, or mend what they change."""
    found = Database(server, new_database(template))
    yield found
    found.close()
    _drop(server, found.name)


@pytest.fixture
def empty_database(
    server: Server, new_database: Callable[[str | None], str], dropping: Callable[[str], str]
) -> Iterator[Database]:
    """A new database with nothing in it."""
    found = Database(server, dropping(new_database(None)))
    yield found
    found.close()
