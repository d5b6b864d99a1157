"""The road of migrations and the destination of schemas."""

import threading

import psycopg
import pytest

from ringfence.database import catalogue, freeze, migrate
from ringfence.refusal import Refused

BOOK = migrate.Migration(1, "book", "create schema sample; create table sample.book (number int primary key);")
NAME = migrate.Migration(2, "name", "alter table sample.book add name text not null;")


def differences(connection, other):
    return catalogue.difference(catalogue.read(connection), catalogue.read(other), "road", "destination")


def test_the_road_leads_to_the_destination(new_database, server, dropping):
    """All migrations on one side, every package's schema.sql on the other."""
    road, destination = dropping(new_database(None)), dropping(new_database(None))
    with server.connect("owner", road) as left, server.connect("owner", destination) as right:
        migrate.upgrade(left)
        migrate.build_destination(right)
        told = freeze.compare(catalogue.read(left), catalogue.read(right))
    assert not told, "\n".join(told)


def test_migrations_are_applied_once_and_in_order(empty_database):
    owner = empty_database.connect("owner")
    assert migrate.upgrade(owner, [BOOK]) == [BOOK]
    assert migrate.upgrade(owner, [BOOK, NAME]) == [NAME]
    assert migrate.upgrade(owner, [BOOK, NAME]) == []
    assert owner.execute("select number, name, sha256 from database.migration order by number").fetchall() == [
        (1, "book", BOOK.sha256),
        (2, "name", NAME.sha256),
    ]
    migrate.require_current(owner, [BOOK, NAME])


def test_a_migration_that_was_altered_afterwards_is_refused(empty_database):
    owner = empty_database.connect("owner")
    migrate.upgrade(owner, [BOOK, NAME])
    altered = migrate.Migration(1, "book", BOOK.sql + " -- a harmless comment")
    with pytest.raises(Refused) as refused:
        migrate.upgrade(owner, [altered, NAME])
    assert refused.value.name == "migration_history_was_altered"
    assert refused.value.facts["number"] == 1


def test_a_database_from_the_future_is_refused(empty_database):
    owner = empty_database.connect("owner")
    migrate.upgrade(owner, [BOOK, NAME])
    for attempt in (migrate.upgrade, migrate.require_current):
        with pytest.raises(Refused) as refused:
            attempt(owner, [BOOK])
        assert refused.value.name == "database_is_newer_than_the_program"


def test_a_database_that_is_behind_or_empty_is_refused_until_it_is_migrated(empty_database):
    owner, core = empty_database.connect("owner"), empty_database.connect("core")
    with pytest.raises(Refused) as refused:
        migrate.require_current(core, [BOOK])
    assert refused.value.name == "database_is_not_prepared"
    migrate.upgrade(owner, [BOOK])
    with pytest.raises(Refused) as refused:
        migrate.require_current(core, [BOOK, NAME])
    assert refused.value.name == "database_is_older_than_the_program"
    migrate.upgrade(owner, [BOOK, NAME])
    migrate.require_current(core, [BOOK, NAME])


def test_a_migration_that_fails_leaves_nothing_of_itself_and_keeps_those_before(empty_database):
    owner = empty_database.connect("owner")
    broken = migrate.Migration(2, "broken", "create table sample.half (number int); select 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero) as failed:
        migrate.upgrade(owner, [BOOK, broken])
    assert "0002_broken" in failed.value.__notes__[0]
    assert owner.execute("select number from database.migration").fetchall() == [(1,)]
    assert owner.execute("select to_regclass('sample.half')").fetchone() == (None,)
    owner.rollback()
    assert migrate.upgrade(owner, [BOOK, NAME]) == [NAME]


@pytest.mark.parametrize("ending", ["commit;", "commit; begin;", "rollback; begin;"])
def test_a_migration_that_ends_its_transaction_is_refused(empty_database, ending):
    escaping = migrate.Migration(1, "escaping", f"create schema sample; {ending}")
    with pytest.raises((ValueError, psycopg.Error)):
        migrate.upgrade(empty_database.connect("owner"), [escaping])
    assert empty_database.connect("owner").execute("select count(*) from database.migration").fetchone() == (0,)


def test_two_that_migrate_at_once_apply_each_migration_once(empty_database):
    road = [BOOK, NAME, migrate.Migration(3, "slow", "select pg_sleep(0.2); create table sample.slow (number int);")]
    applied, owners = [], [empty_database.connect("owner") for _ in range(3)]
    threads = [
        threading.Thread(target=lambda owner=owner: applied.extend(migrate.upgrade(owner, road))) for owner in owners
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(migration.number for migration in applied) == [1, 2, 3]


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["0001_book.sql", "0003_name.sql"], "gap"),
        (["0001_book.sql", "0001_name.sql"], "fork"),
        (["0002_book.sql"], "gap"),
        (["1_book.sql"], "NNNN_name"),
        (["0001_Book.sql"], "NNNN_name"),
    ],
)
def test_a_road_with_a_gap_a_fork_or_a_misnamed_file_is_a_defect(tmp_path, files, reason):
    for file in files:
        (tmp_path / file).write_text("select 1;")
    with pytest.raises(ValueError, match=reason):
        migrate.migrations(tmp_path)


def test_the_migrations_of_this_program_are_a_road():
    assert [migration.number for migration in migrate.migrations()] == list(range(1, len(migrate.migrations()) + 1))


SAMPLE = """
create schema sample;
create type sample.colour as enum ('red', 'green');
create domain sample.share as integer check (value between 0 and 100);
create sequence sample.ticket;
create table sample.book (
    number integer generated always as identity constraint book_number primary key,
    name text not null default 'none',
    colour sample.colour,
    part sample.share,
    constraint book_name_is_not_empty check (name <> '')
);
create table sample.page (
    book integer not null constraint page_is_of_a_book references sample.book, text text,
    whole text generated always as (text || '!') stored
) partition by list (book);
create table sample.page_one partition of sample.page for values in (1);
create index page_text on sample.page (text);
create view sample.short as select number from sample.book where length(name) < 9;
create materialized view sample.counted as select count(*) from sample.book;
create function sample.twice(number int) returns int language sql immutable as 'select 2 * number';
create function sample.keep() returns trigger language plpgsql as 'begin return new; end';
create trigger book_is_kept before update on sample.book for each row execute function sample.keep();
create rule book_is_forever as on delete to sample.book do instead nothing;
alter table sample.book enable row level security;
create policy book_is_readable on sample.book for select to ringfence_reader using (number > 0);
grant usage on schema sample to ringfence_reader;
grant select, update (name) on sample.book to ringfence_reader;
create statistics sample.book_statistics on name, part from sample.book;
comment on column sample.book.name is 'what it is called';
"""


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("alter table sample.book add length int", "column sample.book.length"),
        ("alter table sample.book drop column part; alter table sample.book add part sample.share", "sample.book"),
        ("alter table sample.book alter name set default 'some'", "column sample.book.name"),
        ("alter table sample.book alter name drop not null", "column sample.book.name"),
        ("alter table sample.book alter part type bigint", "column sample.book.part"),
        ("alter table sample.book alter number set generated by default", "column sample.book.number"),
        ("alter table sample.book rename constraint book_name_is_not_empty to other", "constraint sample.book other"),
        ("alter table sample.book drop constraint book_name_is_not_empty", "constraint sample.book"),
        ("alter table sample.page drop constraint page_is_of_a_book", "constraint sample.page"),
        ("drop index sample.page_text", "index sample.page_text"),
        ("alter index sample.page_text rename to page_words", "index sample.page_words"),
        ("create or replace view sample.short as select number from sample.book where length(name) < 8", "view"),
        ("drop materialized view sample.counted", "materialized view sample.counted"),
        (
            "create or replace function sample.twice(number int) returns int language sql as 'select 3 * number'",
            "routine sample.twice(number integer)",
        ),
        ("alter function sample.twice volatile", "routine sample.twice"),
        ("alter function sample.twice security definer", "routine sample.twice"),
        ("alter function sample.twice set search_path = sample", "routine sample.twice"),
        ("alter table sample.book disable trigger book_is_kept", "trigger sample.book book_is_kept"),
        ("drop rule book_is_forever on sample.book", "rule sample.book book_is_forever"),
        ("alter table sample.book disable row level security", "table sample.book"),
        ("alter table sample.book force row level security", "table sample.book"),
        ("alter policy book_is_readable on sample.book using (number > 1)", "policy sample.book book_is_readable"),
        ("alter policy book_is_readable on sample.book to ringfence_auditor", "policy sample.book"),
        ("grant select on sample.book to ringfence_core", "access sample.book"),
        ("grant update (colour) on sample.book to ringfence_reader", "column sample.book.colour"),
        ("grant usage on schema sample to ringfence_core", "access schema sample"),
        ("revoke execute on function sample.twice from public", "access sample.twice"),
        ("grant select on sample.book to ringfence_reader with grant option", "access sample.book"),
        ("alter default privileges in schema sample grant select on tables to ringfence_core", "default access"),
        ("alter type sample.colour add value 'blue'", "type sample.colour"),
        ("alter domain sample.share set default 1", "type sample.share"),
        ("alter sequence sample.ticket increment by 2", "sequence values sample.ticket"),
        ("alter sequence sample.ticket owned by sample.book.part", "sequence values sample.ticket"),
        ("alter table sample.page detach partition sample.page_one", "table sample.page_one"),
        ("alter table sample.book replica identity full", "table sample.book"),
        ("alter table sample.book set (fillfactor = 70)", "table sample.book"),
        ("alter table sample.book alter name set storage external", "column sample.book.name"),
        ("drop statistics sample.book_statistics", "statistics sample.book_statistics"),
        ("comment on column sample.book.name is null", "comment sample.book name"),
        ("create table sample.other ()", "table sample.other"),
    ],
)
def test_every_kind_of_difference_is_seen_and_named(empty_database, change, told):
    """One object is changed, and the difference names it."""
    owner = empty_database.connect("owner")
    owner.execute(SAMPLE)
    owner.commit()
    before = catalogue.read(owner)
    owner.execute(change)
    owner.commit()
    lines = catalogue.difference(before, catalogue.read(owner), "road", "destination")
    assert any(told in line.splitlines()[0] for line in lines), lines


def test_two_copies_of_the_same_thing_do_not_differ(empty_database, new_database, server, dropping):
    other = dropping(new_database(None))
    owner = empty_database.connect("owner")
    with server.connect("owner", other) as copy:
        for connection in (owner, copy):
            connection.execute(SAMPLE)
            connection.commit()
        assert differences(owner, copy) == []
        assert len(catalogue.read(copy)) > 50


def test_a_new_package_becomes_the_next_migration_word_for_word(tmp_path):
    """`freeze` writes what stands in the package's schema.sql, after the migrations that are there."""
    (tmp_path / "0001_book.sql").write_text(BOOK.sql)
    file = freeze.write_migration("database", tmp_path)
    assert file.name == "0002_database.sql"
    assert [str(migration) for migration in migrate.migrations(tmp_path)] == ["0001_book", "0002_database"]
    assert "create table database.migration" in file.read_text()


def test_a_package_is_built_from_its_schema_in_the_order_of_the_list(tmp_path, empty_database):
    """A sample of two packages, the first in parts, the second referring to it; a third is not written yet."""
    schemas = {
        "ledger": "create schema ledger; create table ledger.book (number int primary key);",
        "custody": "create schema custody; create table custody.customer (book int references ledger.book);",
    }
    for package, sql in schemas.items():
        (tmp_path / package / "sql").mkdir(parents=True)
        (tmp_path / package / "sql" / "schema.sql").write_text(sql)
    for part, sql in {
        "schema_b.sql": "create table ledger.leaf (page int references ledger.page);",
        "schema_a.sql": "create table ledger.page (number int primary key, book int references ledger.book);",
        "queries.sql": "this is no schema",
    }.items():
        (tmp_path / "ledger" / "sql" / part).write_text(sql)
    owner = empty_database.connect("owner")
    migrate.build_destination(owner, ("ledger", "evidence", "custody"), tmp_path)
    assert owner.execute("select to_regclass('ledger.leaf') is not null").fetchone() == (True,)
    assert {schema for schema, _, _ in catalogue.read(owner)} == {"", "database", "ledger", "custody"}
