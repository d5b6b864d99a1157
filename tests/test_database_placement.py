"""Books could lie on several nodes: the schema is ready for Citus, and the statements are those of the catalogue."""

from pathlib import Path

import pytest

import ringfence
from ringfence.database import placement, queries
from ringfence.database.placement import BESIDE, REASONS


@pytest.fixture
def owner(database):
    return database.connect("owner")


def test_nothing_keeps_books_from_lying_on_several_nodes(owner):
    assert placement.obstacles(owner) == []


def test_every_table_has_its_place_and_every_exception_its_reason(owner):
    lies = placement.placements(owner)
    assert {name for name, where in lies.items() if where != "distributed"} == set(REASONS)
    assert lies["ledger.book"] == lies["ledger.part"] == lies["ledger.service"] == "reference"
    assert lies["database.migration"] == "local"
    assert len(lies) > 40
    assert lies[BESIDE] == lies["ledger.journal"] == "distributed"


def test_no_named_query_locks_rows_of_several_books_or_renumbers_one():
    folder = Path(ringfence.__file__).parent
    texts = {
        f"{file.relative_to(folder)} {name}": text
        for file in folder.glob("*/sql/*.sql")
        if file.name not in ("bench.sql", "catalogue.sql") and not file.name.startswith("schema")
        for name, text in queries.split(file.read_text(encoding="utf-8")).items()
    }
    assert len(texts) > 150
    assert placement.wrong_in_queries(texts) == []


def test_a_table_is_distributed_after_those_it_refers_to(owner):
    said = placement.statements(owner)
    place = {line.split("'")[1]: index for index, line in enumerate(said) if "create_distributed_table" in line}
    assert min(place, key=lambda name: place[name]) == BESIDE
    references = [
        row for row in owner.execute(placement.QUERIES.references_between) if row[0] in place and row[1] in place
    ]
    assert len(references) > 20
    for name, refers_to, constraint, *_ in references:
        assert refers_to == name or place[refers_to] < place[name], constraint
    first_table = min(place.values())
    assert all(index < first_table for index, line in enumerate(said) if "create_reference_table" in line)


def test_the_statements_are_those_of_citus(owner):
    said = placement.statements(owner)
    name = owner.info.dbname
    security = [line for line in said if "ROW LEVEL SECURITY" in line or line.startswith("DROP POLICY")]
    assert len(security) > 80
    assert said[4 : 4 + len(security)] == security, "before a table is distributed"
    assert "DROP POLICY book_is_served ON ledger.head;" in security
    assert "ALTER TABLE ledger.head NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY;" in security
    said = [line for line in said if line not in security]
    assert said[:8] == [
        f"SELECT run_command_on_all_nodes('ALTER DATABASE {name} SET citus.enable_unsafe_triggers = on');",
        "SET citus.enable_unsafe_triggers = on;",
        f"SELECT run_command_on_all_nodes('ALTER DATABASE {name} SET citus.allow_nested_distributed_execution = on');",
        "SET citus.allow_nested_distributed_execution = on;",
        "SELECT create_reference_table('ledger.book');",
        "SELECT create_reference_table('ledger.part');",
        "SELECT create_reference_table('ledger.service');",
        "SELECT create_distributed_table('ledger.head', 'book_id', colocate_with => 'none');",
    ]
    assert "SELECT create_distributed_table('ledger.journal', 'book_id', colocate_with => 'ledger.head');" in said
    assert "SELECT create_distributed_table('custody.\"order\"', 'book_id', colocate_with => 'ledger.head');" in said
    assert (
        "SELECT create_distributed_function('ledger.advance(integer,bigint,bigint,timestamp with time zone)', 'book',"
        " colocate_with := 'ledger.head', force_delegation := true);"
    ) in said
    assert not [line for line in said if "journal_0" in line], "parts go with the journal"


def test_what_makes_tables_or_writes_a_registry_stays_on_the_coordinator(owner):
    kept = placement.on_the_coordinator(owner)
    assert any(each.startswith("ledger.open_book(") for each in kept)
    said = "\n".join(placement.statements(owner))
    assert not [each for each in kept if f"'{each}'" in said]
    assert not any(each.startswith(placement.APPENDING) for each in kept)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("CREATE TABLE ledger.t (book_id integer PRIMARY KEY, a integer REFERENCES ledger.part, b integer UNIQUE)",
         "nobody has said why it has no book"),
        ("CREATE TABLE ledger.t (a integer PRIMARY KEY)", "nobody has said why it has no book"),
        ("CREATE TABLE ledger.t (book_id bigint PRIMARY KEY)", "book_id is not an integer that must be given"),
        ("CREATE TABLE ledger.t (book_id integer NOT NULL)",
         "its rows have no identity, so a book cannot be moved to another node while it is written to"),
        ("CREATE TABLE ledger.t (book_id integer PRIMARY KEY, n integer GENERATED ALWAYS AS IDENTITY)",
         "the identity n is not a bigint"),
        ("ALTER TABLE ledger.account ADD o int, ADD CONSTRAINT c FOREIGN KEY (o, account) REFERENCES ledger.account",
         "c refers across books"),
        ("ALTER TABLE ledger.book ADD FOREIGN KEY (book_id) REFERENCES ledger.head",
         "book_book_id_fkey refers from every node to one"),
        ("CREATE TRIGGER t AFTER INSERT ON ledger.book FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()",
         "t would fire on every node"),
        ("CREATE FUNCTION ledger.f() RETURNS void LANGUAGE sql AS 'UPDATE ledger.account SET side = '''', book_id = 2'",
         "changes a book's number"),
        ("CREATE FUNCTION ledger.f() RETURNS void LANGUAGE sql AS 'SELECT FROM ledger.head h FOR UPDATE'",
         "locks rows of more than one book"),
    ],
)  # fmt: skip
def test_an_obstacle_is_found(owner, statement, why):
    owner.execute(statement)
    assert why in [each.why for each in placement.obstacles(owner)]
    owner.rollback()
