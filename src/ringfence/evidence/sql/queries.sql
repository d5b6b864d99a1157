-- A time that is no time would be no answer: whoever edits one gets 1970, which no note says.
-- name: last_checkpoint
SELECT size, root, note, CASE WHEN isfinite(signed_at) THEN signed_at ELSE 'epoch' END AS signed_at
  FROM evidence.checkpoint
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

-- The tables that follow the journal, beside it (`tables`). Sums are compared as numeric: an edited one may overflow.

-- What is joined below is looked up row by row by an index, also while the planner knows nothing yet of tables that have
-- just grown: each LATERAL with its LIMIT is a look of its own.
-- name: look_up_by_index
SELECT set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),
       set_config('enable_mergejoin', 'off', true), set_config('jit', 'off', true);

-- name: book_and_entries
SELECT b.name, coalesce((SELECT p.sequence FROM ledger.projection p WHERE p.book_id = b.book_id AND p.name = 'entry'), 0)
  FROM ledger.book b WHERE b.book_id = %(book)s;

-- name: accounts_named
SELECT account, name, currency, side, owner, pool, opened, closed FROM ledger.account
 WHERE book_id = %(book)s AND account = ANY(%(accounts)s);

-- Accounts in their order, with what they had before the row `reached`.
-- name: accounts_after
SELECT a.account, a.opened, a.minimum, a.maximum, a.closed,
       coalesce(e.balance, 0), coalesce(e.held, 0), coalesce(e.expected, 0)
  FROM ledger.account a
  LEFT JOIN LATERAL (SELECT balance, held, expected FROM ledger.entry e
                      WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(reached)s
                      ORDER BY e.sequence DESC LIMIT 1) e ON true
 WHERE a.book_id = %(book)s AND a.account > %(after)s AND a.account <= %(last)s
 ORDER BY a.account LIMIT 100000;

-- Whom signed rows have moved whose entries are still to come.
-- name: accounts_moved_since
SELECT DISTINCT m.account FROM ledger.journal j, unnest(ARRAY[j.debit_account, j.credit_account]) AS m (account)
 WHERE j.book_id = %(book)s AND j.sequence >= %(reached)s AND j.sequence < %(size)s AND j.kind <= 6;

-- Whom rows that are not signed yet close or limit.
-- name: accounts_restated_since
SELECT DISTINCT j.debit_account FROM ledger.journal j
 WHERE j.book_id = %(book)s AND j.sequence >= %(size)s AND j.kind IN (8, 9);

-- Entries from one on, in the order of their index; `wrong` is the first column that does not follow from the entry before
-- and from the row of the journal. Of the first nothing before it is known.
-- name: entries_after
WITH piece AS (
    SELECT e.account, e.sequence, e.change, e.balance::numeric, e.held::numeric, e.expected::numeric FROM ledger.entry e
     WHERE e.book_id = %(book)s AND (e.account, e.sequence) >= (%(account)s, %(sequence)s) AND e.sequence < %(reached)s
     ORDER BY e.account, e.sequence LIMIT %(limit)s
), beside AS (
    SELECT p.account, p.sequence, p.change, j.sequence IS NOT NULL AND a.account IS NOT NULL AS known,
           p.balance - coalesce(lag(p.balance) OVER run, 0) AS balance, p.held - coalesce(lag(p.held) OVER run, 0) AS held,
           p.expected - coalesce(lag(p.expected) OVER run, 0) AS expected,
           (p.account = j.credit_account) = (a.side = 'credit') AS normal,
           CASE WHEN j.kind IN (1, 3, 6) THEN j.amount ELSE 0 END AS posted,
           CASE WHEN j.kind = 2 THEN j.amount WHEN j.kind IN (3, 4, 5) THEN -h.amount ELSE 0 END AS pending
      FROM piece p
      LEFT JOIN LATERAL (SELECT a.account, a.side FROM ledger.account a
                          WHERE a.book_id = %(book)s AND a.account = p.account LIMIT 1) a ON true
      LEFT JOIN LATERAL (SELECT j.sequence, j.kind, j.debit_account, j.credit_account, j.amount,
                                CASE WHEN j.kind IN (3, 4, 5) THEN j.refers_to END AS hold
                           FROM ledger.journal j WHERE j.book_id = %(book)s AND j.sequence = p.sequence AND j.kind <= 6
                            AND p.account IN (j.debit_account, j.credit_account) LIMIT 1) j ON true
      LEFT JOIN LATERAL (SELECT h.amount FROM ledger.journal h
                          WHERE h.book_id = %(book)s AND h.id = j.hold AND h.kind = 2 LIMIT 1) h ON true
    WINDOW run AS (PARTITION BY p.account ORDER BY p.sequence)
)
SELECT account, sequence,
       CASE WHEN NOT known THEN 'sequence'
            WHEN change <> CASE WHEN normal THEN posted ELSE -posted END THEN 'change'
            WHEN balance <> change THEN 'balance'
            WHEN held <> CASE WHEN normal THEN 0 ELSE pending END THEN 'held'
            WHEN expected <> CASE WHEN normal THEN pending ELSE 0 END THEN 'expected' END AS wrong
  FROM beside ORDER BY account, sequence;

-- name: shifted_after
WITH piece AS (
    SELECT e.account, e.shift, e.value_date, e.sequence, e.total::numeric FROM ledger.shifted_entry e
     WHERE e.book_id = %(book)s AND e.sequence < %(reached)s
       AND (e.account, e.shift, e.value_date, e.sequence) >= (%(account)s, %(shift)s, %(day)s, %(sequence)s)
     ORDER BY e.account, e.shift, e.value_date, e.sequence LIMIT %(limit)s
), beside AS (
    SELECT p.account, p.shift, p.value_date, p.sequence,
           p.total - coalesce(lag(p.total) OVER (PARTITION BY p.account, p.shift ORDER BY p.value_date, p.sequence), 0) AS change,
           j.value_date = p.value_date AND p.shift = j.value_date - (j.posted_at AT TIME ZONE 'UTC')::date AS known,
           CASE WHEN (p.account = j.credit_account) = (a.side = 'credit') THEN j.amount ELSE -j.amount END AS moved
      FROM piece p
      LEFT JOIN LATERAL (SELECT a.side FROM ledger.account a
                          WHERE a.book_id = %(book)s AND a.account = p.account LIMIT 1) a ON true
      LEFT JOIN LATERAL (SELECT j.value_date, j.posted_at, j.credit_account, j.amount FROM ledger.journal j
                          WHERE j.book_id = %(book)s AND j.sequence = p.sequence AND j.kind IN (1, 3, 6)
                            AND p.account IN (j.debit_account, j.credit_account) LIMIT 1) j ON true
)
SELECT account, shift, value_date::text, sequence,
       CASE WHEN known IS NOT TRUE THEN 'value_date' WHEN change <> moved THEN 'total' END AS wrong
  FROM beside ORDER BY account, shift, value_date, sequence;

-- name: shifted_missing
SELECT j.sequence, m.account
  FROM ledger.journal j, unnest(ARRAY[j.debit_account, j.credit_account]) AS m (account)
 WHERE j.book_id = %(book)s AND j.sequence >= %(first)s AND j.sequence < %(last)s AND j.kind IN (1, 3, 6)
   AND j.value_date <> (j.posted_at AT TIME ZONE 'UTC')::date
   AND (SELECT e.sequence FROM ledger.shifted_entry e
         WHERE e.book_id = j.book_id AND e.account = m.account AND e.value_date = j.value_date
           AND e.shift = j.value_date - (j.posted_at AT TIME ZONE 'UTC')::date AND e.sequence = j.sequence LIMIT 1) IS NULL
 ORDER BY j.sequence LIMIT 1;

-- name: totals_of
SELECT owner_class, pool, currency, side, balance, held, expected FROM ledger.total WHERE book_id = %(book)s;

-- name: checkpoints_between
SELECT size, root, note, CASE WHEN isfinite(signed_at) THEN signed_at ELSE 'epoch' END FROM evidence.checkpoint
 WHERE book_id = %(book)s AND (size > %(first)s AND size <= %(last)s OR size > %(end)s) ORDER BY size LIMIT 2000;
