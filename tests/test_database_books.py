"""Books are apart: the logins of one book see nothing of another and touch nothing of it, whatever SQL they send.

The victim is a whole small platform ("demo") that the shared logins serve; the attacker has the five logins of another
book of the same database, and knows every id, name and hash of the victim.
"""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from typer.testing import CliRunner

from conftest import Database
from custody_world import PAYEE, custody_world
from ringfence import installation
from ringfence.__main__ import app
from ringfence.custody import placing
from ringfence.database import PACKAGES, roles
from ringfence.database.roles import OF_A_BOOK
from ringfence.ledger import reading
from ringfence.ledger.journal import Journal, Unit
from ringfence.ledger.model import Account, Kind, Line
from ringfence.ledger.queries import QUERIES
from ringfence.ledger.storage import head_of
from ringfence.refusal import Refused
from ringfence.settings import read_settings

VICTIM = 1
NOWHERE = 999
LIVELY = 30  # so many tables of the victim have rows, or the tests below would show nothing
POLICY = "(book_id = ANY (( SELECT ledger.books_served() AS books_served)::integer[]))"
NOT_FORCED = {
    "ledger.book": "entered before anybody serves it; what runs with the owner's rights tells nobody of books",
    "ledger.head": "ledger.advance asks once who serves the book; an append would ask five times",
    "ledger.journal": "the same; what reads it with the owner's rights is tried below, function by function",
}

OF_BOOKS = b"""
SELECT c.oid::regclass::text, c.relrowsecurity, c.relforcerowsecurity, c.relispartition,
       (SELECT array_agg(y.polname || ' ' || y.polcmd::text || y.polpermissive || y.polroles::text || ' '
                         || pg_get_expr(y.polqual, y.polrelid))
          FROM pg_policy y WHERE y.polrelid = c.oid)
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'book_id' AND NOT a.attisdropped
 WHERE c.relkind IN ('r', 'p') AND c.relnamespace::regnamespace::text = ANY (%s) ORDER BY 1
"""


def test_every_table_that_has_a_book_shows_its_rows_to_who_serves_it_alone(database):
    found = database.connect("owner").execute(OF_BOOKS, [[*PACKAGES, "database"]]).fetchall()
    whole = [each for each in found if not each[3]]
    assert len(whole) > 50
    for table, enabled, forced, _, policies in whole:
        cure = f"{table}: SELECT ledger.keep_books_apart('<package>') stands last in the package's schema_zz_last.sql"
        assert policies == [f"book_is_served *true{{0}} {POLICY}"], cure
        assert enabled, cure
        assert forced or table in NOT_FORCED, cure


def test_nobody_reads_a_part_where_no_policy_stands(database):
    """Rows are copied into parts, which PostgreSQL allows only where there is no policy, and read through the whole."""
    owner = database.connect("owner")
    parts = [table for table, *_, is_part, _ in owner.execute(OF_BOOKS, [[*PACKAGES]]) if is_part]
    assert {"ledger.journal_0", "ledger.entry_rows", "ledger.shifted_entry_rows"} <= set(parts)
    for role in OF_A_BOOK:
        for part in parts:
            [(may,)] = owner.execute("SELECT has_any_column_privilege(%s, %s, 'SELECT')", [f"ringfence_{role}", part])
            assert not may, f"{role} reads {part}"


@dataclass
class Apart:
    """Two books of one database, and the name of the one with logins of its own."""

    database: Database
    name: str
    book: int
    everywhere: psycopg.Connection | None = None

    def connect(self, role):
        connection = self.database.server.of(self.name).connect(role, self.database.name)
        self.database._opened.append(connection)
        connection.execute("SET default_transaction_read_only = off")
        connection.commit()
        return connection

    def all_rights(self, query, parameters=()):
        """What an administrator finds, whom no policy stops."""
        if self.everywhere is None:
            server = self.database.server
            named = {**server.parameters, **server.administrator, "dbname": self.database.name}
            self.everywhere = psycopg.connect(psycopg.conninfo.make_conninfo(**named), autocommit=True)
            self.database._opened.append(self.everywhere)
        return self.everywhere.execute(query, parameters).fetchall()

    def may(self, role, question, table):
        [(said,)] = self.all_rights(f"SELECT {question}", [f"ringfence_{role}_{self.name}", table])
        return said

    def tables(self):
        """Every table and view that has a book."""
        return [
            table
            for (table,) in self.all_rights(
                "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
                "   AND a.attname = 'book_id' AND NOT a.attisdropped"
                " WHERE c.relkind IN ('r', 'p', 'v') AND NOT c.relispartition"
                "   AND c.relnamespace::regnamespace::text = ANY (%s) ORDER BY 1",
                [[*PACKAGES]],
            )
        ]

    def rows(self, table, book):
        name = sql.SQL(table)
        query = sql.SQL("SELECT to_jsonb(t)::text FROM {} t WHERE book_id = %s ORDER BY 1").format(name)
        return [text for (text,) in self.all_rights(query, [book])]

    def everything(self, book):
        return {table: self.rows(table, book) for table in self.tables()}


@contextmanager
def logins_of(server, name):
    made = roles.create_logins(server, name)
    try:
        yield made
    finally:
        roles.drop_logins(server, name)


@contextmanager
def another_book(database) -> Iterator[Apart]:
    """One more book, with an account, and served by logins of its own from here on."""
    name = f"apart-{secrets.token_hex(4)}"
    with database.server.connect("core", database.name) as connection:
        if connection.info.server_version < roles.MEMBERS_VERSION_MIN * 10000:
            pytest.skip("this PostgreSQL has no memberships without SET, so books have no logins of their own")
        book = reading.open_book(connection, name, connection.execute("SELECT now()").fetchone()[0]).book_id
    with logins_of(database.server, name) as logins, database.server.connect("owner", database.name) as owner:
        reading.serve_apart(owner, book, logins)
        owner.commit()
        found = Apart(database, name, book)
        journal = Journal(lambda: database.server.of(name).connect("core", database.name), book)
        account = Account(0, "bank:own", "EUR", "debit", None, None, "bank:own", "client")
        opened = Line(Kind.ACCOUNT_OPENED, uuid4(), payload=account.payload())
        now = owner.execute("SELECT clock_timestamp()").fetchone()[0]
        journal.submit([Unit([opened])], now)
        journal.close()
        yield found


@pytest.fixture(scope="module")
def apart(module_database, tmp_path_factory) -> Iterator[Apart]:
    """The victim has lived a little: money came, an order was paid, another waits for people."""
    with custody_world(module_database, tmp_path_factory.mktemp("victim")) as world:
        world.pay_in("c1", 60_000_00)
        for amount in (100_00, 20_000_00):
            placing.place_withdrawal(
                world.desk, uuid4(), "c1", amount, payee_account=PAYEE, by=world.sessions["tina"], reference="payout"
            )
        world.turn()
        world.balance("customer:c1:available")
        with another_book(module_database) as found:
            yield found


def test_the_logins_of_a_book_read_no_row_of_another(apart):
    lively = [table for table in apart.tables() if apart.rows(table, VICTIM)]
    assert len(lively) > LIVELY, lively
    for role in OF_A_BOOK:
        connection = apart.connect(role)
        assert connection.execute("SELECT session_user::text").fetchone() == (f"ringfence_{role}_{apart.name}",)
        read = 0
        for table in apart.tables():
            if apart.may(role, "has_column_privilege(%s, %s, 'book_id', 'SELECT')", table):
                books = connection.execute(sql.SQL("SELECT DISTINCT book_id FROM {}").format(sql.SQL(table))).fetchall()
                assert books in ([], [(apart.book,)]), f"{role} sees {books} in {table}"
                read += table in lively
        assert read > LIVELY / 2, f"{role} was hardly tried"
        assert reading.books(connection)[0].name == apart.name
        assert len(reading.books(connection)) == 1


def test_the_logins_that_books_share_do_not_see_a_book_that_has_its_own(apart):
    database = apart.database
    for role in OF_A_BOOK:
        assert [book.name for book in reading.books(database.connect(role))] == ["demo"]
    owner = database.connect("owner")
    assert {book.name for book in reading.books(owner)} == {"demo", apart.name}
    assert len(reading.logins_of(owner, apart.book)) == len(OF_A_BOOK)


def test_what_counts_is_who_logged_in_and_not_what_is_set(apart):
    """
    SET ROLE to the shared role    -> refused: it could give itself a password, and be let in as who serves other books
    SET SESSION AUTHORIZATION      -> refused
    row_security = off             -> every query is refused
    ringfence.book, application…   -> nothing reads them
    """
    core = apart.connect("core")
    for statement in ("SET application_name = 'ringfence_owner'", "SET my.book = '1'"):
        core.execute(statement)
        assert core.execute("SELECT DISTINCT book_id FROM ledger.head").fetchall() == [(apart.book,)]
        assert core.execute("SELECT ledger.books_served()").fetchone() == ([apart.book],)
    core.commit()
    for statement in (
        "SET SESSION AUTHORIZATION ringfence_core",
        "SET ROLE ringfence_core",
        "ALTER ROLE ringfence_core PASSWORD 'mine'",
        "SET ROLE ringfence_owner",
        "SET ROLE ringfence_notary",
        "SET row_security = off; SELECT FROM ledger.head",
        "SELECT * FROM ledger.service",
        "UPDATE ledger.service SET books = '{1}'",
        f"SELECT ledger.serve_apart(1, ARRAY['ringfence_core_{apart.name}'])",
        "SELECT ledger.serve_together(1)",
        "SELECT ledger.open_book(7, 'mine', now())",
        "DROP POLICY book_is_served ON ledger.head",
        "ALTER TABLE ledger.head DISABLE ROW LEVEL SECURITY",
        f'ALTER ROLE "ringfence_core_{apart.name}" BYPASSRLS',
    ):
        with pytest.raises(psycopg.Error) as refused, core.transaction():
            core.execute(statement)
        assert refused.value.sqlstate == "42501", statement


def test_rows_for_another_book_are_not_let_in(apart):
    """Every row that the victim has, once more, into every table that the role may write to: its book is not served."""
    before = apart.everything(VICTIM)
    tried = 0
    for role in OF_A_BOOK:
        connection = apart.connect(role)
        for table, rows in before.items():
            if not rows or not apart.may(role, "has_table_privilege(%s, %s, 'INSERT')", table):
                continue
            relation = sql.SQL(table)
            generated = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attidentity <> ''"
            numbered = bool(apart.all_rights(generated, [table]))
            query = sql.SQL("INSERT INTO {0} {1} SELECT * FROM jsonb_populate_record(NULL::{0}, %s)").format(
                relation, sql.SQL("OVERRIDING SYSTEM VALUE" if numbered else "")
            )
            with (
                pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"),
                connection.transaction(),
            ):
                connection.execute(query, [rows[0]])
            tried += 1
    assert tried > 12
    assert apart.everything(VICTIM) == before


def test_rows_of_another_book_do_not_come_into_the_parts_either(apart):
    """Where no policy stands the guards do: nothing comes without a promise, and nobody promises for another's book."""
    core = apart.connect("core")
    [(head,)] = apart.all_rights("SELECT head FROM ledger.head WHERE book_id = %s", [VICTIM])
    before = apart.everything(VICTIM)
    row = (
        "(book_id, sequence, kind, flags, id, debit_account, credit_account, amount, code, value_date, posted_at)"
        " SELECT {}, {}, 1, 0, gen_random_uuid(), 1, 2, 5, 0, '2026-01-01', '2027-01-01'"
    )
    own = head_of(core, apart.book)
    promise = f"SELECT ledger.advance({apart.book}, {own}, 1, '2030-01-01')"
    for statements in (
        [f"SELECT ledger.advance({VICTIM}, {head}, 1, '2030-01-01')"],
        [f"SELECT ledger.promise({VICTIM}, {head}, 1, '2030-01-01')"],
        ["INSERT INTO ledger.journal_0 " + row.format(VICTIM, head)],
        ["INSERT INTO ledger.journal_1 " + row.format(VICTIM, 50_000_000)],
        [promise, "INSERT INTO ledger.journal_0 " + row.format(VICTIM, head)],
        [promise, "INSERT INTO ledger.journal_0 " + row.format(VICTIM, own)],
        [f"INSERT INTO ledger.entry_rows VALUES ({VICTIM}, 1, {head}, 1, 1, 0, 0)"],
        [f"INSERT INTO ledger.shifted_entry_rows VALUES ({VICTIM}, 1, 1, '2026-01-01', {head}, 1)"],
    ):
        with pytest.raises(psycopg.Error) as refused, core.transaction():
            core.execute("; ".join(statements))
        assert refused.value.sqlstate in {"42501", "42P01", "RF002", "RF004", "RF005", "23505"}, statements
    assert apart.everything(VICTIM) == before


FUNCTIONS = b"""
SELECT p.oid::regproc::text, p.proargnames[1:p.pronargs]::text[],
       ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY x (t, n) ORDER BY n)
  FROM pg_proc p
 WHERE p.pronamespace::regnamespace::text = ANY (%s) AND p.prorettype <> 'trigger'::regtype
   AND (p.proargnames[1] = 'book' OR p.proargnames[1] IN ('test', 'run'))
   AND has_function_privilege(p.oid, 'EXECUTE')
 ORDER BY 1
"""
OF_TYPE = {
    "integer": "1", "bigint": "0", "smallint": "1", "text": "'x'", "bytea": "'\\x00'", "uuid": "gen_random_uuid()",
    "boolean": "true", "timestamp with time zone": "'2026-03-02 09:10Z'", "date": "'2026-03-02'", "jsonb": "'{}'",
    "text[]": "'{}'", "bigint[]": "'{}'", "numeric[]": "'{}'", "timestamp with time zone[]": "'{}'", "uuid[]": "'{}'",
    "numeric": "1", "ledger.given[]": "'{}'",
}  # fmt: skip


def known(apart):
    """What the attacker knows of the victim, by the name of an argument."""
    one = {
        "token_sha256": "SELECT token_sha256 FROM authority.session WHERE person_id = 'sara'",
        "event": "SELECT id FROM ledger.journal WHERE kind = 16 ORDER BY sequence LIMIT 1",
        "proposal": "SELECT proposal_id FROM authority.proposal",
        "payload_sha256": "SELECT payload_sha256 FROM authority.proposal",
        "which": "SELECT order_id FROM custody.order LIMIT 1",
        "session": "SELECT session_id FROM authority.session WHERE person_id = 'sara'",
        "key": "SELECT key_id FROM vault.field_key LIMIT 1",
        "wrapping": "SELECT wrapping_id FROM vault.wrapping_key",
        "wrapped": "SELECT wrapped FROM vault.field_key LIMIT 1",
        "expected": "SELECT head FROM ledger.head WHERE book_id = 1",
    }
    found = {name: sql.Literal(apart.all_rights(query)[0][0]) for name, query in one.items()}
    words = {"login": "tina", "person": "tina", "decision": "approve", "act": "payout", "indicator": "shortfall"}
    found |= {name: sql.Literal(word) for name, word in words.items()}
    return found | {"rows": sql.SQL("1")}


def outcome(connection, function, values):
    query = sql.SQL("SELECT f.* FROM {}({}) AS f").format(sql.SQL(function), sql.SQL(", ").join(values))
    try:
        with connection.transaction():
            return connection.execute(query).fetchall()
    except psycopg.Error as error:
        return (error.sqlstate, error.diag.constraint_name)


def test_no_function_tells_a_book_that_is_anothers_from_one_that_is_not_there(apart):
    """Every function that takes a book, called with everything that the attacker could know: the answer is the same for
    the victim's book as for a number that no book has, and nothing of the victim's has changed.
    """
    secret, before, called = known(apart), apart.everything(VICTIM), 0
    for role in OF_A_BOOK:
        connection = apart.connect(role)
        for function, names, types in connection.execute(FUNCTIONS, [[*PACKAGES]]).fetchall():
            said = []
            for book in (VICTIM, NOWHERE):
                values = [
                    sql.Literal(book)
                    if name == "book"
                    else sql.SQL(f'\'{{"book_id": {book}, "number": 1, "account_name": "bank:alpha:client"}}\'')
                    if name in ("test", "run")
                    else secret[name]
                    if name in secret
                    and (name, kind)
                    not in {
                        ("rows", "ledger.given[]"),
                        ("which", "text"),
                        ("which", "date"),
                        ("run", "integer"),
                        ("expected", "jsonb"),
                    }
                    else sql.SQL(OF_TYPE[kind])
                    for name, kind in zip(names, types, strict=True)
                ]
                said.append(outcome(connection, function, values))
            assert said[0] == said[1], f"{role}: {function} tells"
            called += 1
    assert called > 60
    assert apart.everything(VICTIM) == before


def test_the_same_functions_do_answer_who_serves_the_book(apart):
    """The other side of the test above: asked by the victim's own core, several of them tell."""
    core, told, secret = apart.database.connect("core"), [], known(apart)
    for function, values in {
        "authority.begin_sign_in": [sql.Literal("tina"), sql.SQL("now()")],
        "authority.touch_session": [secret["token_sha256"], sql.SQL("'2026-03-02 09:10Z'")],
        "authority.new_challenge": [sql.SQL("now()")],
        "ledger.head_at": [sql.SQL("now()")],
        "ledger.take_entries": [sql.SQL("true")],
    }.items():
        told += [outcome(core, function, [sql.Literal(book), *values]) for book in (VICTIM,)]
        told[-1] = (told[-1], outcome(core, function, [sql.Literal(NOWHERE), *values]))
    assert [here != nowhere for here, nowhere in told] == [True] * 5, told


def test_row_security_keeps_no_reader_from_the_index_over_names(database):
    """PostgreSQL evaluates nothing that may tell what it was given, as LIKE may, before the policy, and so by no index
    either. Names are looked for by what they begin with, and the last turn of a monitor by a function.
    """
    owner, core = database.connect("owner"), database.connect("core")
    reading.open_book(owner, "large", owner.execute("SELECT now()").fetchone()[0])
    owner.execute(
        "INSERT INTO ledger.account"
        " SELECT 1, n, 'customer:c' || n || CASE n % 2 WHEN 0 THEN ':frozen' ELSE ':available' END, 'EUR', 'credit', 0,"
        "        NULL, 'customer', 'client', n FROM generate_series(1, 4000) n"
    )
    owner.execute("ANALYZE ledger.account")
    owner.commit()
    asked = {"book": 1, "pattern": "customer:c77:%", "sequence": reading.LATEST, "after": 0, "limit": 9}
    for query in (QUERIES.accounts, QUERIES.balances_before, QUERIES.balances_page):
        plan = "\n".join(line for (line,) in core.execute(b"EXPLAIN " + query, asked))
        assert "name >= 'customer:c77:'" in plan, plan
        assert [row[1] for row in core.execute(query, asked)] == ["customer:c77:available"]
    assert len(core.execute(QUERIES.accounts, asked | {"pattern": "%_:frozen"}).fetchall()) == 2000
    assert len(core.execute(QUERIES.accounts, asked | {"pattern": "customer:c_:%"}).fetchall()) == 9


def test_a_book_goes_back_to_the_shared_logins(database):
    with another_book(database) as apart:
        owner, own, core = database.connect("owner"), apart.connect("core"), database.connect("core")
        seen = "SELECT count(*) FROM ledger.head WHERE book_id = %s"
        assert [each.execute(seen, [apart.book]).fetchone() for each in (own, core)] == [(1,), (0,)]
        reading.serve_together(owner, apart.book)
        owner.commit()
        assert [each.execute(seen, [apart.book]).fetchone() for each in (own, core)] == [(0,), (1,)]
        assert reading.logins_of(owner, apart.book) == sorted(f"ringfence_{role}" for role in OF_A_BOOK)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            core.execute("SELECT ledger.books_served(); SELECT * FROM ledger.service")


def test_a_login_that_serves_no_book_sees_none(database, server):
    """Somebody whom an administrator made a member of a role, and of whom nobody has said what he serves."""
    name, password = f"ringfence_guest_{secrets.token_hex(4)}", secrets.token_hex(8)
    with another_book(database), server.connect_as_administrator() as administrator:
        made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {} IN ROLE ringfence_auditor")
        administrator.execute(made.format(sql.Identifier(name), sql.Literal(password)))
        try:
            named = {**server.parameters, "user": name, "password": password, "dbname": database.name}
            with psycopg.connect(psycopg.conninfo.make_conninfo(**named)) as guest:
                assert guest.execute("SELECT count(*) FROM ledger.book").fetchone() == (0,)
                assert guest.execute("SELECT ledger.books_served()").fetchone() == ([],)
        finally:
            administrator.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def test_a_book_whose_name_is_too_long_keeps_the_shared_logins(server):
    with pytest.raises(Refused) as refused:
        roles.create_logins(server, "b" * 60)
    assert refused.value.name == "login_name_is_too_long"
    assert not roles.password_file(server.home, "core", "b" * 60).exists()


def test_a_verb_gives_a_book_its_own_logins_and_every_process_takes_them(tmp_path, monkeypatch):
    """
    book open east, west; book logins east --own    -> five logins, five key files
    core, gateway and notary of east                -> by the book's own logins, also with no other key in the home
    core of west                                    -> by the shared one, and east is not there for it
    book list                                       -> both
    book logins east --shared                       -> as before
    """
    for name in ("RINGFENCE_DATABASE_URL", "RINGFENCE_LANGUAGE"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"

    def said(*words, status=0):
        done = CliRunner().invoke(app, [*words, "--json", "--home", str(home)])
        assert done.exit_code == status, done.output
        return json.loads(done.stdout)

    settings = read_settings(home=home)
    with installation.opened(settings) as server:
        for name in ("east", "west"):
            said("book", "open", name)
        assert said("book", "logins", "east")["logins"] == sorted(f"ringfence_{role}" for role in OF_A_BOOK)
        own = said("book", "logins", "east", "--own")["logins"]
        assert own == sorted(f"ringfence_{role}_east" for role in OF_A_BOOK)
        assert said("book", "logins", "east", "--own")["logins"] == own
        assert [each["book"] for each in said("book", "list")["books"]] == ["east", "west"]
        with installation.core_of(server, "east") as core, core.connection() as connection:
            assert connection.execute("SELECT session_user").fetchone() == ("ringfence_core_east",)
            core.post(Unit([Line(Kind.EVENT, uuid4(), code=1100, payload={"day": "2026-03-02"})]))
        with installation.gateway_of(settings, server, "east") as desk, desk.connection() as connection:
            assert connection.execute("SELECT session_user").fetchone() == ("ringfence_gateway_east",)
        with installation.notary_of(settings, server, "east") as notary:
            assert notary.step(installation.wall_clock()).size == 1
        with installation.core_of(server, "west") as core, core.connection() as connection:
            assert connection.execute("SELECT session_user").fetchone() == ("ringfence_core",)
            assert [book.name for book in reading.books(connection)] == ["west"]
        assert said("book", "balances", "east")["balances"] == []
        said("clearing", "open", "east", "west", "EUR")  # whoever has the keys of both reaches both
        assert said("book", "balances", "east")["balances"] != said("book", "balances", "west")["balances"] != []
        assert said("book", "open", "east", status=2)["refused"] == "book_name_must_be_new"
        shared = roles.password_file(home, "core")
        shared.rename(shared.with_suffix(".away"))
        with installation.joined(settings, "core", "east") as joined, joined.connect("core") as connection:
            assert reading.book_named(connection, "east").head == 3
        shared.with_suffix(".away").rename(shared)
        assert said("book", "logins", "east", "--shared")["logins"] == sorted(f"ringfence_{role}" for role in OF_A_BOOK)
        assert roles.books_apart(home, "core") == []
        with installation.core_of(server, "east") as core, core.connection() as connection:
            assert connection.execute("SELECT session_user").fetchone() == ("ringfence_core",)
