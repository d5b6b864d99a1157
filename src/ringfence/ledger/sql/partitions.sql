-- Parts of the journal, for whoever runs the installation (role owner).

-- Rows of a part: what its books have come to in it.
-- name: states
SELECT p.part, p.first, p.last, p.made_at, p.closed_at, p.archived_at, p.tablespace, p.file, p.file_sha256,
       coalesce(sum(least(h.head, p.last) - p.first) FILTER (WHERE h.head > p.first), 0)::bigint AS rows,
       count(*) FILTER (WHERE h.head > p.first)::integer AS books,
       (SELECT count(*)::integer FROM ledger.seal s WHERE s.part = p.part) AS sealed,
       pg_total_relation_size(to_regclass('ledger.journal_' || p.part)) AS bytes
  FROM ledger.part p LEFT JOIN ledger.head h ON true
 GROUP BY p.part ORDER BY p.part;

-- name: left_behind
SELECT b.book_id, b.name FROM ledger.book b JOIN ledger.head h USING (book_id)
 WHERE h.head >= %(last)s AND NOT EXISTS (SELECT FROM ledger.seal s WHERE s.book_id = b.book_id AND s.part = %(part)s)
 ORDER BY b.book_id;

-- name: seal
INSERT INTO ledger.seal (book_id, part, rows, sha256, sealed_at)
VALUES (%(book)s, %(part)s, %(rows)s, %(sha256)s, %(at)s) ON CONFLICT DO NOTHING;

-- name: seals
SELECT s.book_id, b.name, s.rows, s.sha256, s.sealed_at FROM ledger.seal s JOIN ledger.book b USING (book_id)
 WHERE s.part = %(part)s ORDER BY s.book_id;

-- name: close_part
SELECT ledger.close_part(%(part)s, %(at)s);

-- name: book_names
SELECT name FROM ledger.book WHERE book_id = ANY(%(books)s) ORDER BY book_id;

-- name: freeze
VACUUM (FREEZE, ANALYZE) {table};

-- name: copy_out
COPY (SELECT book_id, sequence, kind, flags, id, debit_account, credit_account, amount, refers_to, order_id, code,
             value_date, posted_at, expires_at, payload FROM {table} ORDER BY book_id, sequence)
  TO STDOUT (FORMAT BINARY);

-- name: tablespace_exists
SELECT EXISTS (SELECT FROM pg_tablespace WHERE spcname = %(name)s);

-- name: copy_part
SELECT ledger.copy_part(%(part)s, %(tablespace)s);

-- The journal's readers wait behind this for as long as it waits for those before it: not long.
-- name: wait_little
SET LOCAL lock_timeout = '2s';

-- name: swap_part
SELECT ledger.swap_part(%(part)s, %(tablespace)s);

-- name: archived
UPDATE ledger.part SET archived_at = %(at)s, file = %(file)s, file_sha256 = %(sha256)s WHERE part = %(part)s;
