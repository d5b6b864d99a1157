"""Preparing a server: the embedded one, and your own with more or fewer rights."""

from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import psycopg
import pytest

from ringfence.database import ROLES, migrate, roles
from ringfence.database.server import external, open_server, prepare
from ringfence.refusal import Refused


@pytest.fixture
def bare(tmp_path):
    """A PostgreSQL that knows nothing of us, and a way to make a user of it; gives the URL of that user."""
    with open_server(tmp_path / "bare", settings={"fsync": "off"}) as server:

        def user_with(rights):
            with server.connect_as_administrator() as administrator:
                administrator.execute(f"create role operator login password 'open sesame' {rights}")
            return f"postgresql://operator:{quote('open sesame')}@/?host={quote(str(server.parameters['host']))}"

        yield user_with


def test_preparing_twice_changes_nothing(tmp_path):
    with open_server(tmp_path) as server:
        prepare(server)
        before = {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()}
        prepare(server)
        assert {path.name: path.read_text() for path in (tmp_path / "keys").iterdir()} == before
        assert sorted(before) == sorted(f"database-{role}.password" for role in ROLES)
        assert all(path.stat().st_mode & 0o777 == 0o600 for path in (tmp_path / "keys").iterdir())
        with server.connect("core") as core:
            migrate.require_current(core)


def test_several_that_prepare_at_once_make_one_installation(tmp_path):
    """Core, gateway and notary start together on an empty home."""
    with open_server(tmp_path, settings={"fsync": "off"}) as server, ThreadPoolExecutor(6) as crowd:
        for prepared in [crowd.submit(prepare, server) for _ in range(6)]:
            prepared.result()
        for role in ROLES:
            server.connect(role).close()


def test_what_was_prepared_is_there_after_a_restart(tmp_path):
    with open_server(tmp_path) as server:
        prepare(server)
    with open_server(tmp_path) as server, server.connect("notary") as notary:
        assert notary.execute("select current_user, current_database()").fetchone() == ("ringfence_notary", "ringfence")


def test_your_own_server_needs_createrole_and_createdb_and_no_more(bare, tmp_path):
    with open_server(tmp_path / "home", bare("createrole createdb")) as server:
        prepare(server)
        prepare(server)
        for role in ROLES:
            with server.connect(role) as connection:
                migrate.require_current(connection)


@pytest.mark.parametrize(("rights", "missing"), [("createdb", "create roles"), ("createrole", "create databases")])
def test_a_user_without_the_rights_is_refused_before_anything_is_made(bare, tmp_path, rights, missing):
    with open_server(tmp_path / "home", bare(rights)) as server, pytest.raises(Refused) as refused:
        prepare(server)
    assert refused.value.name == "database_rights_are_insufficient"
    assert refused.value.facts["missing"] == missing
    assert list((tmp_path / "home" / "keys").iterdir()) == []


def test_a_server_before_15_is_refused_before_rights_are_looked_at():
    with pytest.raises(Refused) as refused:
        roles.require_rights(
            "host", "somebody", superuser=False, may_create_roles=False, may_create_databases=False, version=140012
        )
    assert refused.value.name == "database_is_too_old"
    assert refused.value.facts["found"] == "14.12"
    roles.require_rights(
        "host", "somebody", superuser=True, may_create_roles=False, may_create_databases=False, version=150000
    )


def test_another_installation_does_not_take_over_the_roles_of_the_first(bare, tmp_path):
    """Roles belong to the whole server. The second installation is refused, unless new passwords are wanted."""
    url = bare("createrole createdb")
    first, second = external(tmp_path / "first", url), external(tmp_path / "second", url + "&dbname=other")
    prepare(first)
    with pytest.raises(Refused) as refused:
        prepare(second)
    assert refused.value.name == "database_role_has_another_password"
    first.connect("core").close()
    prepare(second, new_passwords=True)
    second.connect("core").close()
    with pytest.raises(Refused) as refused:
        first.connect("core")
    assert refused.value.name == "database_refuses_the_login"


def test_a_role_without_its_key_is_refused(tmp_path):
    nowhere = external(tmp_path, "postgresql://localhost/ringfence")
    with pytest.raises(Refused) as refused:
        nowhere.connect("gateway")
    assert refused.value.name == "key_is_missing"
    assert "database-gateway.password" in refused.value.sentence()


def test_a_process_needs_the_key_of_its_own_role_alone(tmp_path):
    with open_server(tmp_path) as server:
        prepare(server)
        for role in ROLES:
            if role != "gateway":
                roles.password_file(tmp_path, role).unlink()
        (tmp_path / "postgres" / "superuser.password").unlink()
        server.connect("gateway").close()


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("postgresql://somebody@localhost/money", "money"),
        ("postgresql://somebody@host?sslmode=verify-full", "ringfence"),
        ("postgresql://somebody@localhost/postgres", "ringfence"),
        ("host=host sslmode=verify-full dbname=money", "money"),
    ],
)
def test_the_database_of_the_address_is_ours_unless_it_is_everybodys(tmp_path, url, database):
    assert external(tmp_path, url).database == database


def test_the_address_shown_to_people_has_no_password(tmp_path):
    server = external(tmp_path, "postgresql://somebody:secret@host:5555/money?sslmode=verify-full")
    assert server.address == "host:5555/money"
    assert "secret" not in server.address + repr(server)


def test_strangers_do_not_connect_to_the_database(tmp_path):
    with open_server(tmp_path) as server:
        prepare(server)
        with server.connect_as_administrator() as administrator:
            administrator.execute("create role stranger login password 'stranger'")
        conninfo = psycopg.conninfo.make_conninfo(server.conninfo("core"), user="stranger", password="stranger")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(conninfo)


def test_the_order_of_code_points_is_the_order_of_text(database):
    """The same on every machine and version: a Chinese name sorts alike in the notary's replay and in yours."""
    core = database.connect("core")
    found = core.execute("select array_agg(x order by x) from unnest(array['b','a','B','中','é','A']) as x").fetchone()
    assert found == (["A", "B", "a", "b", "é", "中"],)


def test_no_row_of_a_customer_is_in_the_servers_log(tmp_path):
    """PostgreSQL would tell the failing row in DETAIL, and the line of a COPY in CONTEXT."""
    with open_server(tmp_path) as server, server.connect_as_administrator() as administrator:
        administrator.execute("create table public.customer (name text check (name <> '王小明'), number int)")
        with pytest.raises(psycopg.errors.CheckViolation):
            administrator.execute("insert into public.customer values (%s, 1)", ["王小明"])
        cursor = administrator.cursor()
        with (
            pytest.raises(psycopg.errors.InvalidTextRepresentation),
            cursor.copy("copy public.customer from stdin") as copy,
        ):
            copy.write("李小红\tnot a number\n")
    log = (tmp_path / "postgres" / "server.log").read_text()
    assert 'violates check constraint "customer_name_check"' in log
    assert "invalid input syntax for type integer" in log
    assert "李小红" not in log
    assert "Failing row" not in log


def test_an_administrator_works_where_everybodys_database_was_removed(bare, tmp_path):
    server = external(tmp_path / "home", bare("superuser"))
    with server.connect_as_administrator() as administrator:
        administrator.execute("create database ringfence")
    url = server.parameters["host"]
    with psycopg.connect(host=url, user="operator", password="open sesame", dbname="ringfence", autocommit=True) as one:
        one.execute("drop database postgres")
    prepare(server)
    prepare(server)
    server.connect("core").close()
