-- name: last_checkpoint
SELECT size, root, note, signed_at FROM evidence.checkpoint
 WHERE book_id = %(book)s ORDER BY size DESC LIMIT 1;

-- name: record_checkpoint
INSERT INTO evidence.checkpoint (book_id, size, root, note, signed_at)
VALUES (%(book)s, %(size)s, %(root)s, %(note)s, %(at)s);

-- name: raise_alarm
INSERT INTO evidence.alarm (book_id, signed_size, name, facts, raised_at)
VALUES (%(book)s, %(size)s, %(name)s, %(facts)s, %(at)s)
ON CONFLICT ON CONSTRAINT alarm_is_unique DO NOTHING;

-- name: alarms
SELECT signed_size, name, facts, raised_at FROM evidence.alarm
 WHERE book_id = %(book)s ORDER BY raised_at DESC, name LIMIT %(limit)s;

-- How far the journal goes by its own rows, whatever the book's head says.
-- name: extent
SELECT min(sequence), max(sequence) FROM ledger.journal WHERE book_id = %(book)s;

-- name: repeated_sequence
SELECT sequence FROM ledger.journal
 WHERE book_id = %(book)s AND sequence >= %(first)s AND sequence < %(last)s
 GROUP BY sequence HAVING count(*) > 1 ORDER BY sequence LIMIT 1;

-- Columns that the leaf does not tell apart, in a spelling that the core never writes.
-- name: misspelled_row
SELECT sequence, CASE WHEN kind NOT BETWEEN 0 AND 255 THEN 'kind'
                      WHEN refers_to = '00000000-0000-0000-0000-000000000000' THEN 'refers_to'
                      WHEN order_id = '00000000-0000-0000-0000-000000000000' THEN 'order_id'
                      WHEN octet_length(payload) = 0 THEN 'payload'
                      ELSE 'expires_at' END AS field
  FROM ledger.journal
 WHERE book_id = %(book)s AND sequence >= %(first)s AND sequence < %(last)s
   AND (kind NOT BETWEEN 0 AND 255 OR refers_to = '00000000-0000-0000-0000-000000000000'
        OR order_id = '00000000-0000-0000-0000-000000000000' OR octet_length(payload) = 0
        OR NOT isfinite(expires_at) OR expires_at = '1970-01-01T00:00:00Z')
 ORDER BY sequence LIMIT 1;

-- name: repeated_id
SELECT n.sequence, n.id, o.sequence FROM ledger.journal n
  JOIN ledger.journal o ON o.book_id = n.book_id AND o.id = n.id AND o.sequence < n.sequence
 WHERE n.book_id = %(book)s AND n.sequence >= %(first)s AND n.sequence < %(last)s
 ORDER BY n.sequence LIMIT 1;

-- Where rows are that others refer to. A hint: what is there is read from the log.
-- name: sequences_of
SELECT id, sequence FROM ledger.journal
 WHERE book_id = %(book)s AND id = ANY(%(ids)s) AND sequence < %(before)s;
