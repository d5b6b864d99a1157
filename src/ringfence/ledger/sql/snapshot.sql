-- name: insert_snapshot
INSERT INTO ledger.snapshot (book_id, sequence, part, content)
VALUES (%(book)s, %(sequence)s, %(part)s, %(content)s) ON CONFLICT DO NOTHING;

-- name: drop_snapshots
SELECT ledger.drop_snapshots(%(book)s, %(kept)s);

-- name: snapshots
SELECT DISTINCT sequence FROM ledger.snapshot WHERE book_id = %(book)s AND sequence <= %(head)s ORDER BY sequence DESC;

-- name: snapshot_parts
SELECT content FROM ledger.snapshot WHERE book_id = %(book)s AND sequence = %(sequence)s ORDER BY part;
