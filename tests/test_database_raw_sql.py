"""Whatever a role must not do, PostgreSQL itself refuses: tried as each role, with plain SQL, from the catalogue.

Every table × every verb, every column, every function, in every role, against what a role may (the lists below, which
are the whole of it); and by hand what no catalogue lists: objects of one's own, other roles, triggers, files, programs,
settings. What a role may is refused to it wherever it is not what the rules want: those tests stand with the rules
(`test_authority_sql`, `test_ledger_storage`, `test_database_books`, `test_drill_core`).
"""

import re

import psycopg
import pytest
from psycopg import sql

from ringfence.database import PACKAGES
from ringfence.database.roles import OF_A_BOOK
from ringfence.ledger import reading

SCHEMAS = [*PACKAGES, "database"]
EVERY_ROLE = tuple(OF_A_BOOK)

# Rows are put on a shelf, never changed. What core may put beside the journal decides nothing: the gateway asks others.
MAY_INSERT = {
    "core": {
        r"ledger\.journal_\d+",  # as promised to the head
        r"ledger\.(shifted_)?entry_rows",  # with the projection
        r"ledger\.account",
        r"ledger\.snapshot",
        r"banking\.(account|payment_order)",
        r"custody\..*",
    },
    "gateway": {r"banking\.(file|statement|entry|advice|submission|withheld|payment_status)"},
    "notary": {r"evidence\.(checkpoint|alarm)"},
    "reader": set(),
    "auditor": set(),
}
MAY_UPDATE = {("core", "ledger.account", "closed")}
NOBODY_READS = {
    "authority.password": {"salt", "memory_kib", "passes", "lanes", "verifier", "must_change"},
    "authority.code_device": {"secret", "last_step"},
    "authority.decoy": {"secret"},
    "authority.session": {"token_sha256"},
    "authority.client": {"token_sha256"},
    "authority.attempt": {"login_sha256", "failures", "last_at", "locked_until"},
    "authority.spent_challenge": {"challenge", "at"},
    "authority.signed_request": {"request_sha256", "key_id", "created"},
    "ledger.service": {"login", "shared", "books"},
    "ledger.journal_0": {"id", "amount", "payload"},
    "ledger.entry_rows": {"balance"},
}
ONLY_THESE_READ = {
    ("vault.field", "sealed"): {"core"},
    ("vault.field", "indexed"): {"core"},
    ("vault.field_key", "wrapped"): {"core", "gateway"},
    ("vault.payment", "sealed"): {"core", "gateway"},
    ("vault.payment", "wrapped"): {"core", "gateway"},
    ("ledger.snapshot", "content"): {"core"},
}
OF_EVERYBODY = {
    "ledger.books_served",
    "ledger.head_at",
    "ledger.last_turn",
    "ledger.monitor_of",
    "authority.approval_challenge",
    "authority.door_limits",
    "authority.is_staff",
    "authority.policy_at",
    "authority.required",
}
MAY_CALL = {
    "gateway": OF_EVERYBODY | {"vault.add_field_key", "vault.keep"},
    "notary": OF_EVERYBODY,
    "reader": OF_EVERYBODY,
    "auditor": OF_EVERYBODY,
}

RELATIONS = b"""
SELECT c.oid::regclass::text, c.relkind::text,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attidentity = '' ORDER BY a.attnum)
  FROM pg_class c WHERE c.relkind IN ('r', 'p', 'v') AND c.relnamespace::regnamespace::text = ANY (%s) ORDER BY 1
"""
FUNCTIONS = b"""
SELECT p.oid::regproc::text, p.oid::regprocedure::text,
       ARRAY(SELECT format_type(t, NULL) FROM unnest(p.proargtypes) WITH ORDINALITY x (t, n) ORDER BY n),
       p.prorettype = 'trigger'::regtype, has_function_privilege(p.oid, 'EXECUTE')
  FROM pg_proc p WHERE p.pronamespace::regnamespace::text = ANY (%s) ORDER BY 2
"""


@pytest.fixture
def owner(database):
    found = database.connect("owner")
    reading.open_book(found, "demo", found.execute("SELECT now()").fetchone()[0])
    found.commit()
    return found


def connected(database, role):
    """As an attacker would be: the settings that are given at connect are his to change."""
    found = database.connect(role)
    found.autocommit = True
    found.execute("SET default_transaction_read_only = off")
    return found


def refused(connection, statement):
    """The SQLSTATE that a statement is refused with; nothing if it was not."""
    try:
        connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate
    return ""


def may(owner, function, role, *arguments):
    asked = (f"ringfence_{role}", *arguments)
    return owner.execute(f"SELECT {function}({', '.join(['%s'] * len(asked))})", asked).fetchone()[0]


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_no_role_writes_a_table_but_those_that_it_fills(database, owner, role):
    """
    insert     granted where MAY_INSERT says so; tried and refused everywhere else
    update     one column of one table; tried and refused, column by column, everywhere else
    delete, truncate, lock, trigger        refused everywhere
    """
    connection, tried = connected(database, role), 0
    for table, kind, columns in owner.execute(RELATIONS, [SCHEMAS]).fetchall():
        name, noes = sql.SQL(table), {"42501", "55000", "42809"} if kind == "v" else {"42501"}  # a view takes no rows
        fills = any(re.fullmatch(pattern, table) for pattern in MAY_INSERT[role])
        assert may(owner, "has_any_column_privilege", role, table, "INSERT") == fills, (
            f"{role} {'may not' if fills else 'may'} insert into {table}: if that is right, say so in MAY_INSERT"
        )
        attempts = [] if fills else ["INSERT INTO {} DEFAULT VALUES"]
        attempts += [
            "DELETE FROM {}",
            "TRUNCATE {}",
            "DO 'BEGIN LOCK {} IN ACCESS EXCLUSIVE MODE; END'",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
        ]
        attempts += ["CREATE TRIGGER t BEFORE INSERT ON {} FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change()"]
        for attempt in attempts:
            said = refused(connection, sql.SQL(attempt).format(name))
            assert said in noes, f"{role}: {attempt} of {table} said {said!r}"
        for column in columns:
            if (role, table, column) not in MAY_UPDATE:
                change = sql.SQL("UPDATE {} SET {} = DEFAULT").format(name, sql.Identifier(column))
                assert refused(connection, change) in noes, f"{role} updates {table}.{column}"
                tried += 1
        tried += len(attempts)
    assert tried > 500


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_no_role_reads_a_secret_or_what_is_anothers(database, owner, role):
    connection = connected(database, role)
    relations = {table: columns for table, _, columns in owner.execute(RELATIONS, [SCHEMAS]).fetchall()}
    closed = {(table, column) for table, columns in NOBODY_READS.items() for column in columns}
    closed |= {place for place, roles in ONLY_THESE_READ.items() if role not in roles}
    for table, column in sorted(closed):
        assert column in relations[table], f"{table} has no column {column} any more"
        query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.SQL(table))
        assert refused(connection, query) == "42501", f"{role} reads {table}.{column}"
    for table, columns in relations.items():
        for column in columns:
            granted = may(owner, "has_column_privilege", role, table, column, "SELECT")
            query = sql.SQL("SELECT {} FROM {}").format(sql.Identifier(column), sql.SQL(table))
            said = refused(connection, query)
            assert said == ("" if granted else "42501"), f"{role}: {table}.{column} said {said!r}"
            assert not (granted and re.search(r"token|secret|verifier|salt|wrapped|sealed$", column)) or (
                role in ONLY_THESE_READ.get((table, column), set())
            ), f"{role} may read {table}.{column}, which sounds like a secret"


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_no_role_calls_a_function_that_is_not_for_it(database, role):
    connection, tried = connected(database, role), 0
    functions = connection.execute(FUNCTIONS, [SCHEMAS]).fetchall()
    if role in MAY_CALL:
        assert {name for name, *_, granted in functions if granted} == MAY_CALL[role]
    for name, signature, types, is_trigger, granted in functions:
        assert not (is_trigger and granted), f"{signature} is for triggers alone"
        if not granted and not is_trigger:
            nothing = sql.SQL(", ").join(sql.SQL(f"NULL::{kind}") for kind in types)
            query = sql.SQL("SELECT {}({})").format(sql.SQL(name), nothing)
            assert refused(connection, query) == "42501", f"{role} calls {signature}"
            tried += 1
    assert tried > (30 if role == "core" else 90)


NAMES = {"integer": "int4", "bigint": "int8", "boolean": "bool", "smallint": "int2"}
BY_HAND = {
    "a schema": "CREATE SCHEMA mine",
    "a table in a schema of ours": "CREATE TABLE authority.mine (a integer)",
    "a table in public": "CREATE TABLE public.mine (a integer)",
    "a temporary table": "CREATE TEMPORARY TABLE mine (a integer)",
    "a domain that stands for a type of ours": "CREATE DOMAIN pg_temp.text AS pg_catalog.text",
    "a function": "CREATE FUNCTION public.mine() RETURNS void LANGUAGE sql AS ''",
    "a temporary function": "CREATE FUNCTION pg_temp.mine() RETURNS void LANGUAGE sql AS ''",
    "a function in place of one of ours": (
        "CREATE OR REPLACE FUNCTION authority.person_of_session(integer, bytea, timestamptz) RETURNS text"
        " LANGUAGE sql AS 'SELECT ''tess'''"
    ),
    "a function with the caller's rights": "ALTER FUNCTION authority.decide SECURITY INVOKER",
    "another path for a function": "ALTER FUNCTION authority.decide SET search_path = public",
    "a view over passwords": "CREATE VIEW public.mine AS SELECT * FROM authority.password",
    "a rule": "CREATE RULE mine AS ON INSERT TO ledger.account DO INSTEAD NOTHING",
    "an extension": "CREATE EXTENSION pg_stat_statements",
    "a server language": "CREATE LANGUAGE mine HANDLER plpgsql_call_handler",
    "an event trigger": "CREATE EVENT TRIGGER mine ON ddl_command_start EXECUTE FUNCTION ledger.refuse_change()",
    "a publication": "CREATE PUBLICATION mine FOR TABLE authority.password",
    "a subscription": "CREATE SUBSCRIPTION mine CONNECTION '' PUBLICATION mine",
    "a tablespace": "CREATE TABLESPACE mine LOCATION '/tmp'",
    "a database": "CREATE DATABASE mine",
    "a role": "CREATE ROLE mine LOGIN",
    "the owner's role": "SET ROLE ringfence_owner",
    "the owner's session": "SET SESSION AUTHORIZATION ringfence_owner",
    "the owner's rights": "GRANT ringfence_owner TO CURRENT_USER",
    "the owner's password": "ALTER ROLE ringfence_owner PASSWORD 'mine'",
    "being a superuser": "ALTER ROLE CURRENT_USER SUPERUSER",
    "passing by row security": "ALTER ROLE CURRENT_USER BYPASSRLS",
    "making roles": "ALTER ROLE CURRENT_USER CREATEROLE",
    "what the owner owns": "REASSIGN OWNED BY ringfence_owner TO CURRENT_USER",
    "dropping what the owner owns": "DROP OWNED BY ringfence_owner",
    "a right to a table": "GRANT SELECT ON authority.password TO CURRENT_USER",
    "a right to a function": "GRANT EXECUTE ON FUNCTION authority.put_roles TO CURRENT_USER",
    "rights from now on": "ALTER DEFAULT PRIVILEGES FOR ROLE ringfence_owner GRANT ALL ON TABLES TO PUBLIC",
    "triggers that look away": "SET session_replication_role = replica",
    "row security that looks away": "SET row_security = off; SELECT FROM ledger.head",
    "a table without its policy": "DROP POLICY book_is_served ON ledger.head",
    "a table of one's own": "ALTER TABLE ledger.head OWNER TO CURRENT_USER",
    "a constraint dropped": "ALTER TABLE authority.approval DROP CONSTRAINT approval_is_yes_or_no",
    "an index dropped": "DROP INDEX ledger.journal_order",
    "a table dropped": "DROP TABLE authority.approval",
    "a part taken out": "ALTER TABLE ledger.journal DETACH PARTITION ledger.journal_0",
    "a part of one's own": "SELECT ledger.make_part_table('9', 90, 100)",
    "a program": "COPY (SELECT 1) TO PROGRAM 'id'",
    "a program's output": "COPY ledger.account FROM PROGRAM 'id'",
    "a file": "COPY ledger.account FROM '/etc/passwd'",
    "a file written": "COPY (SELECT 1) TO '/tmp/mine'",
    "a file read": "SELECT pg_read_file('/etc/passwd')",
    "a folder read": "SELECT pg_ls_dir('.')",
    "a file as an object": "SELECT lo_import('/etc/passwd')",
    "the passwords of the cluster": "SELECT rolpassword FROM pg_authid",
    "the statistics of columns": "SELECT stavalues1 FROM pg_statistic",
    "a setting of the server": "ALTER SYSTEM SET fsync = off",
    "a setting of the database": (
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET row_security = off', current_database()); END $$"
    ),
    "another server log": "SET log_statement = 'all'",
    "a library": "LOAD '/tmp/mine.so'",
    "reloading": "SELECT pg_reload_conf()",
    "ending the owner": "SELECT pg_terminate_backend(%(owner)s)",
    "the log rotated": "SELECT pg_switch_wal()",
    "a backup": "SELECT pg_backup_start('mine')",
    "a slot": "SELECT pg_create_physical_replication_slot('mine')",
    "reading the log": "SELECT pg_create_logical_replication_slot('a', 'pgoutput')",
}


@pytest.mark.parametrize("role", EVERY_ROLE)
def test_no_role_makes_takes_or_turns_off_anything(database, owner, role):
    connection = connected(database, role)
    for what, statement in BY_HAND.items():
        text = statement.replace("%(owner)s", str(owner.info.backend_pid))
        said = refused(connection, text)
        assert said == "42501", f"{role}: {what} said {said!r}"


def test_nobody_but_its_role_reads_what_others_are_asking(database, owner):
    core = connected(database, "core")
    seen = core.execute("SELECT query FROM pg_stat_activity WHERE pid = %s", [owner.info.backend_pid]).fetchone()
    assert seen in (None, ("<insufficient privilege>",))


def test_no_function_takes_its_words_from_the_caller(database, owner, server):
    """
    A role that may make temporary objects calls its own domain `text`, whose check is a function of its own. A function
    with the owner's rights that looked for `text` there first would run that check as the owner.
    """
    core = connected(database, "core")
    with server.connect_as_administrator() as administrator:
        grant = sql.SQL("GRANT TEMPORARY ON DATABASE {} TO ringfence_core").format(sql.Identifier(database.name))
        administrator.execute(grant)
    core.execute(
        "CREATE FUNCTION pg_temp.check_of(a pg_catalog.text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN"
        " IF current_user = 'ringfence_owner' THEN RAISE EXCEPTION 'caught' USING ERRCODE = 'XX999'; END IF;"
        " RETURN true; END $$"
    )
    for word in ("text", "bytea", "jsonb", "uuid", "timestamptz"):
        core.execute(
            f"CREATE DOMAIN pg_temp.{word} AS pg_catalog.{word} CHECK (pg_temp.check_of(VALUE::pg_catalog.text))"
        )
    owner.execute(
        "CREATE FUNCTION ledger.careless(book integer) RETURNS void LANGUAGE plpgsql SECURITY DEFINER"
        " SET search_path = pg_catalog AS $$ DECLARE said text := 'a'; BEGIN END $$;"
        " GRANT EXECUTE ON FUNCTION ledger.careless TO ringfence_core"
    )
    owner.commit()
    assert refused(core, "SELECT ledger.careless(1)") == "XX999"  # the trap works where nobody thought of it
    owner.execute("SELECT ledger.fix_search_paths('ledger')")
    owner.commit()
    functions = owner.execute(
        "SELECT p.oid::regproc::text, ARRAY(SELECT t::regtype::text FROM unnest(p.proargtypes)"
        " WITH ORDINALITY x (t, n) ORDER BY n) FROM pg_proc p WHERE p.prosecdef AND p.prorettype <> 'trigger'::regtype"
        " AND p.pronamespace::regnamespace::text = ANY (%s)"
        " AND has_function_privilege('ringfence_core', p.oid, 'EXECUTE')",
        [SCHEMAS],
    ).fetchall()
    owner.commit()
    assert len(functions) > 50
    plain = {"text": "'x'", "bytea": "'\\x00'", "jsonb": "'{}'", "int4": "1", "int8": "0"}
    for name, types in functions:
        given = [f"{plain.get(kind, 'NULL')}::{kind if ' ' in kind or '.' in kind else 'pg_catalog.' + kind}"
                 for kind in (NAMES.get(each, each) for each in types)]  # fmt: skip
        assert refused(core, f"SELECT {name}({', '.join(given)})") != "XX999", f"{name} takes a type from its caller"
