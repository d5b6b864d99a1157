"""Connections as a role, and what PostgreSQL's errors mean."""

import secrets
import threading
import time

import psycopg
import pytest

from ringfence.database import connection as connections
from ringfence.database.refusals import RETRIED_BY_CALLERS, refusing, register
from ringfence.database.server import external
from ringfence.refusal import Fault, Refused, refusal

SHELF_IS_FULL = refusal("test_shelf_is_full", Fault.STATE, en="The shelf is full: {detail}", zh="书架已满：{detail}")
SHELF_IS_SHUT = refusal("test_shelf_is_shut", Fault.STATE, en="The shelf is shut.", zh="书架已关闭。")
register({"shelf_is_not_overfull": SHELF_IS_FULL, "RFT01": SHELF_IS_SHUT})


@pytest.fixture
def shelf(empty_database):
    """A table that core may write."""
    owner = empty_database.connect("owner")
    owner.execute(
        "create schema test; grant usage on schema test to ringfence_core, ringfence_reader;"
        "create table test.shelf (number int primary key, books int not null,"
        " constraint shelf_is_not_overfull check (books < 10), constraint shelf_has_no_name check (books >= 0));"
        "insert into test.shelf values (1, 0), (2, 0);"
        "grant all on test.shelf to ringfence_core; grant select, insert on test.shelf to ringfence_reader"
    )
    owner.commit()
    return empty_database


def refused_name(action):
    with pytest.raises(Refused) as refused, refusing():
        action()
    return refused.value.name


def test_a_connection_does_not_depend_on_the_settings_of_its_server(database):
    core = database.connect("core")
    names = ("TimeZone", "search_path", "jit", "application_name", "statement_timeout", "client_encoding")
    found = [core.execute("select current_setting(%s)", [name]).fetchone()[0] for name in names]
    assert found == ["UTC", "pg_catalog", "off", "ringfence core", "30s", "UTF8"]
    assert not core.autocommit
    assert database.connect("owner").execute("show statement_timeout").fetchone() == ("0",)


def test_a_reader_and_an_auditor_change_nothing_even_where_a_grant_would_let_them(shelf):
    assert (
        refused_name(lambda: shelf.connect("reader").execute("insert into test.shelf values (3, 1)")) == "role_may_not"
    )


def test_a_constraint_becomes_the_refusal_that_a_package_registered(shelf):
    core = shelf.connect("core")
    with pytest.raises(Refused) as refused, refusing():
        core.execute("update test.shelf set books = 11 where number = 1")
    assert refused.value.refusal is SHELF_IS_FULL
    assert refused.value.facts["constraint"] == "shelf_is_not_overfull"


def test_a_state_of_our_own_becomes_the_refusal_that_a_package_registered(shelf):
    core = shelf.connect("core")
    shut = "do $$ begin raise exception 'shut' using errcode = 'RFT01'; end $$"
    assert refused_name(lambda: core.execute(shut)) == "test_shelf_is_shut"


def test_a_constraint_that_nobody_registered_is_a_defect(shelf):
    with pytest.raises(psycopg.errors.CheckViolation), refusing():
        shelf.connect("core").execute("update test.shelf set books = -1 where number = 1")


def test_a_constraint_has_one_meaning():
    register({"shelf_is_not_overfull": SHELF_IS_FULL})
    with pytest.raises(ValueError, match="already stands for test_shelf_is_full"):
        register({"shelf_is_not_overfull": SHELF_IS_SHUT})


def test_of_two_that_change_what_both_have_read_one_may_retry(shelf):
    first, second = shelf.connect("core"), shelf.connect("core")
    for one in (first, second):
        one.isolation_level = psycopg.IsolationLevel.SERIALIZABLE
        one.execute("select sum(books) from test.shelf")
    first.execute("update test.shelf set books = 1 where number = 1")
    first.commit()

    def change():
        second.execute("update test.shelf set books = 1 where number = 1")
        second.commit()

    assert refused_name(change) in RETRIED_BY_CALLERS


def test_of_two_that_wait_for_each_other_one_may_retry(shelf):
    first, second = shelf.connect("core"), shelf.connect("core")
    first.execute("update test.shelf set books = 1 where number = 1")
    second.execute("update test.shelf set books = 2 where number = 2")
    told = []

    def cross(one, number):
        try:
            with refusing():
                one.execute("update test.shelf set books = 3 where number = %s", [number])
            one.commit()
        except Refused as refused:
            told.append(refused.name)
            one.rollback()

    threads = [threading.Thread(target=cross, args=pair) for pair in ((first, 2), (second, 1))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == ["somebody_was_faster"]


def test_a_statement_that_takes_too_long_is_refused(database):
    core = database.connect("core")
    core.execute("set local statement_timeout = '20ms'")
    assert refused_name(lambda: core.execute("select pg_sleep(10)")) == "database_took_too_long"


def test_a_connection_cut_off_is_a_lost_database(database, server):
    core = database.connect("core")
    with server.connect_as_administrator() as administrator:
        administrator.execute("select pg_terminate_backend(%s)", [core.info.backend_pid])
    assert refused_name(lambda: core.execute("select 1")) == "database_is_lost"
    assert refused_name(lambda: core.execute("select 1")) == "database_is_lost"


def test_a_pool_replaces_the_connections_that_were_cut_off(database, server):
    with connections.pool(database.conninfo("core"), smallest=2, largest=2) as pool:
        with pool.connection() as one:
            assert one.execute("select current_user").fetchone() == ("ringfence_core",)
        with server.connect_as_administrator() as administrator:
            administrator.execute(
                "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", [database.name]
            )
        with pool.connection() as one:
            assert one.execute("select 1").fetchone() == (1,)


def test_a_server_that_is_not_there_is_refused_at_once(tmp_path):
    began = time.monotonic()
    nowhere = external(tmp_path, f"postgresql://somebody@localhost:1/ringfence?host={tmp_path}")
    with pytest.raises(Refused) as refused:
        nowhere.connect_as_administrator()
    assert refused.value.name == "database_is_unreachable"
    assert time.monotonic() - began < 5
    with pytest.raises(Refused) as refused, connections.pool(f"host={tmp_path} port=1 user=somebody"):
        pass
    assert refused.value.name == "database_is_unreachable"


def test_a_wrong_password_is_refused_without_telling_it(database):
    wrong = secrets.token_hex(8)
    conninfo = psycopg.conninfo.make_conninfo(database.conninfo("core"), password=wrong)
    with pytest.raises(Refused) as refused:
        connections.connect(conninfo)
    assert refused.value.name == "database_refuses_the_login"
    assert wrong not in str(refused.value)
    assert "ringfence_core" in refused.value.sentence()


@pytest.mark.parametrize("url", ["not an address", "postgresql://[half", "host=x nonsense=1", "http://x/y"])
def test_an_address_that_is_none_is_refused(tmp_path, url):
    with pytest.raises(Refused) as refused:
        external(tmp_path, url)
    assert refused.value.name == "database_url_is_wrong"
