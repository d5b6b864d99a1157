-- What `ringfence bench journal` needs besides the ledger's own queries. Used in a scratch database only.

-- name: setting
SELECT current_setting(%(name)s);

-- name: lock
SELECT pg_try_advisory_lock(hashtext(%(database)s));

-- name: unlock
SELECT pg_advisory_unlock(hashtext(%(database)s));

-- name: head
SELECT head FROM ledger.head WHERE book_id = %(book)s;

-- Everything that a load of rows leaves for later is done before the clock starts.
-- name: analyze
VACUUM (ANALYZE) ledger.journal, ledger.account, ledger.head;

-- A table that holds rows of the journal: a part of it, if it has parts.
-- name: leaf
SELECT coalesce((SELECT min(i.inhrelid)::regclass FROM pg_inherits i WHERE i.inhparent = 'ledger.journal'::regclass),
                'ledger.journal'::regclass)::text;

-- name: checkpoint
CHECKPOINT;

-- The two statements that open accounts are the administrator's, and pass by the journal's guard.
-- name: skip_triggers
SET LOCAL session_replication_role = replica;

-- Customers whom the book has from another one, so that a notary lets their accounts be opened.
-- name: take_customers_over
WITH b AS (
    SELECT b.book_id, b.head, clock_timestamp() AS at FROM ledger.head b WHERE b.book_id = %(book)s
), said AS (
    INSERT INTO ledger.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, order_id, code,
                                value_date, posted_at, payload)
    SELECT b.book_id, b.head + n - 2, 16, 0, ('01900000-0000-7000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, 0, 0, 0,
           '01900000-0000-7000-a000-000000000001', 1090, b.at::date, b.at,
           convert_to(format('{"accounts":["available"],"customer":"customer:%%s","event":"customer_registered",'
                             '"review_due":"2100-01-01","tier":"taken_over"}', n), 'UTF8')
      FROM b, generate_series(2, %(accounts)s::bigint) n
)
UPDATE ledger.head SET head = b.head + %(accounts)s - 1, head_at = b.at, append_from = b.head
  FROM b WHERE head.book_id = b.book_id;

-- name: open_accounts
WITH b AS (
    SELECT b.book_id, b.head, clock_timestamp() AS at FROM ledger.head b WHERE b.book_id = %(book)s
), a AS (
    SELECT n AS account, b.head + n - 1 AS sequence, b.book_id, b.at,
           CASE n WHEN 1 THEN 'bank:main:1' ELSE 'customer:' || n || ':available' END AS name,
           CASE n WHEN 1 THEN 'debit' ELSE 'credit' END AS side,
           CASE n WHEN 1 THEN 'bank:main' ELSE 'customer:' || n END AS owner
      FROM b, generate_series(1, %(accounts)s::bigint) n
), said AS (
    INSERT INTO ledger.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, code,
                                value_date, posted_at, payload)
    SELECT book_id, sequence, 7, 0, ('01900000-0000-7000-8000-' || lpad(to_hex(account), 12, '0'))::uuid,
           account, 0, 0, 0, at::date, at,
           convert_to(format('{"account":%%s,"currency":"EUR","maximum":"1000000000000000","minimum":"-1000000000000000",'
                             '"name":"%%s","owner":"%%s","pool":"client","side":"%%s"}', account, name, owner, side), 'UTF8')
      FROM a
), known AS (
    INSERT INTO ledger.account (book_id, account, name, currency, side, minimum, maximum, owner, pool, opened)
    SELECT book_id, account, name, 'EUR', side, -1000000000000000, 1000000000000000, owner, 'client', sequence FROM a
)
UPDATE ledger.head SET head = b.head + %(accounts)s, head_at = b.at, append_from = b.head FROM b WHERE head.book_id = b.book_id;

-- name: book_named
SELECT book_id FROM ledger.book WHERE name = %(name)s;

-- Ten thousand for every customer, from the bank's account of the same pool, and a statement by which the bank has it.
-- name: fund_customers
WITH h AS (
    SELECT h.book_id, h.head, clock_timestamp() AS at FROM ledger.head h WHERE h.book_id = %(book)s
), paid AS (
    SELECT h.book_id, h.at, h.head + row_number() OVER (ORDER BY a.account) - 1 AS sequence, b.account AS bank, a.account
      FROM h
      JOIN ledger.account a ON a.book_id = h.book_id AND a.name LIKE 'customer:%%:available'
      CROSS JOIN LATERAL (SELECT b.account FROM ledger.account b
                           WHERE b.book_id = h.book_id AND b.side = 'debit' AND b.pool = a.pool AND b.owner LIKE 'bank:%%'
                           ORDER BY b.account LIMIT 1) b
), said AS (
    INSERT INTO ledger.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, code,
                                value_date, posted_at)
    SELECT book_id, sequence, 1, 0, ('01900000-0000-7000-8000-' || lpad(to_hex(account), 12, '0'))::uuid, bank, account,
           1000000, 6, at::date, at
      FROM paid
), told AS (
    INSERT INTO banking.statement (book_id, account_name, statement_id, day, opening, closing, entries, fingerprint, file_sha256)
    SELECT p.book_id, a.name, 'bench', min(p.at)::date, 0, 1000000 * count(*), 0, '', ''
      FROM paid p JOIN banking.account a ON a.book_id = p.book_id AND a.ledger_account = p.bank GROUP BY p.book_id, a.name
)
UPDATE ledger.head SET head = n.head, head_at = n.at, append_from = h.head
  FROM h, (SELECT max(sequence) + 1 AS head, max(at) AS at FROM paid) n WHERE head.book_id = h.book_id;

-- name: customers_accounts
SELECT account FROM ledger.account WHERE book_id = %(book)s AND name LIKE 'customer:%%:available' ORDER BY account;

-- The limit of the journal's table: the same rows go by COPY into a table of the same columns, constraints and indexes.
-- name: make_raw
CREATE SCHEMA bench;
CREATE TABLE bench.journal (LIKE ledger.journal_0 INCLUDING ALL);
INSERT INTO bench.journal SELECT * FROM ledger.journal WHERE book_id = {book};
GRANT USAGE ON SCHEMA bench TO ringfence_core;
GRANT ALL ON ALL TABLES IN SCHEMA bench TO ringfence_core;

-- name: raw_head
SELECT coalesce(max(sequence) + 1, 0) FROM bench.journal WHERE book_id = %(book)s;

-- name: raw_copy
COPY bench.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, refers_to, order_id,
                    code, value_date, posted_at, expires_at, payload) FROM STDIN (FORMAT BINARY);

-- What most ledgers do: one transaction a transfer, rows locked in order, each transfer with an id that is unique. One
-- call, no reads beside the updates, narrow tables, free room in the accounts' pages so that no index changes.
-- name: make_singles
CREATE SCHEMA singles;
CREATE TABLE singles.account (account integer PRIMARY KEY, balance bigint NOT NULL) WITH (fillfactor = 25);
INSERT INTO singles.account SELECT each, 1000000000000 FROM generate_series(1, {accounts}) each;
CREATE TABLE singles.counter (sequence bigint NOT NULL) WITH (fillfactor = 10);
INSERT INTO singles.counter VALUES (0);
CREATE TABLE singles.gap_free (sequence bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, debit integer, credit integer, amount bigint);
CREATE SEQUENCE singles.number CACHE 1000;
CREATE TABLE singles.gaps_allowed (sequence bigint PRIMARY KEY, id uuid NOT NULL UNIQUE, debit integer, credit integer, amount bigint);
CREATE FUNCTION singles.gap_free(debit_ integer, credit_ integer, amount_ bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE number bigint;
BEGIN
    IF debit_ < credit_ THEN
        UPDATE singles.account SET balance = balance - amount_ WHERE account = debit_ AND balance >= amount_;
        IF NOT FOUND THEN RAISE EXCEPTION 'not enough'; END IF;
        UPDATE singles.account SET balance = balance + amount_ WHERE account = credit_;
    ELSE
        UPDATE singles.account SET balance = balance + amount_ WHERE account = credit_;
        UPDATE singles.account SET balance = balance - amount_ WHERE account = debit_ AND balance >= amount_;
        IF NOT FOUND THEN RAISE EXCEPTION 'not enough'; END IF;
    END IF;
    UPDATE singles.counter SET sequence = sequence + 1 RETURNING sequence INTO number;
    INSERT INTO singles.gap_free VALUES (number, {new_id}(), debit_, credit_, amount_);
    RETURN number;
END $$;
CREATE FUNCTION singles.gaps_allowed(debit_ integer, credit_ integer, amount_ bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE number bigint;
BEGIN
    INSERT INTO singles.gaps_allowed VALUES (nextval('singles.number'), {new_id}(), debit_, credit_, amount_)
    RETURNING sequence INTO number;
    IF debit_ < credit_ THEN
        UPDATE singles.account SET balance = balance - amount_ WHERE account = debit_ AND balance >= amount_;
        IF NOT FOUND THEN RAISE EXCEPTION 'not enough'; END IF;
        UPDATE singles.account SET balance = balance + amount_ WHERE account = credit_;
    ELSE
        UPDATE singles.account SET balance = balance + amount_ WHERE account = credit_;
        UPDATE singles.account SET balance = balance - amount_ WHERE account = debit_ AND balance >= amount_;
        IF NOT FOUND THEN RAISE EXCEPTION 'not enough'; END IF;
    END IF;
    RETURN number;
END $$;
GRANT USAGE ON SCHEMA singles TO ringfence_core;
GRANT ALL ON ALL TABLES IN SCHEMA singles TO ringfence_core;
GRANT ALL ON ALL SEQUENCES IN SCHEMA singles TO ringfence_core;

-- Scripts of pgbench: two accounts that differ, an amount, one call. On the hot account every transfer begins at 1.
-- name: gap_free
\set debit {debit}
\set credit 1 + (:debit - 1 + random(1, {accounts} - 1)) % {accounts}
\set amount random(1, 10000)
SELECT singles.gap_free(:debit, :credit, :amount);

-- name: gaps_allowed
\set debit {debit}
\set credit 1 + (:debit - 1 + random(1, {accounts} - 1)) % {accounts}
\set amount random(1, 10000)
SELECT singles.gaps_allowed(:debit, :credit, :amount);

-- What is on the disk: the journal, each of its indexes by its columns, and the entries, in bytes.
-- name: sizes
WITH leaf AS (
    SELECT c.oid, split_part(root.name, '.', 2) AS name
      FROM unnest(ARRAY['ledger.journal', 'ledger.entry', 'bench.journal']) AS root (name)
      JOIN LATERAL pg_partition_tree(to_regclass(root.name)) t ON t.isleaf
      JOIN pg_class c ON c.oid = t.relid
     UNION
    SELECT to_regclass(name)::oid, split_part(name, '.', 2) FROM unnest(ARRAY['ledger.journal', 'ledger.entry']) AS whole (name)
     WHERE to_regclass(name) IS NOT NULL
)
SELECT name, 'table' AS part, sum(pg_table_size(oid))::bigint FROM leaf GROUP BY name
 UNION ALL
SELECT name, (SELECT string_agg(pg_get_indexdef(i.indexrelid, k, true), ', ') FROM generate_series(1, i.indnatts) k),
       sum(pg_relation_size(i.indexrelid))::bigint
  FROM leaf JOIN pg_index i ON i.indrelid = leaf.oid GROUP BY 1, 2
 ORDER BY 1, 2;

-- name: written
SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint;
