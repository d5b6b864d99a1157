-- name: take_entries
SELECT reached, head FROM ledger.take_entries(%(book)s, %(alone)s);

-- name: advance_entries
SELECT ledger.advance_entries(%(book)s, %(before)s, %(after)s, %(owner_classes)s, %(pools)s, %(currencies)s, %(sides)s,
                              %(balances)s, %(helds)s, %(expecteds)s);

-- How far the entries are, how far the journal is, and since when the first row that is missing waits.
-- name: lag
SELECT p.sequence, b.head,
       coalesce(extract(epoch FROM clock_timestamp() - (SELECT j.posted_at FROM ledger.journal j
                                                         WHERE j.book_id = b.book_id AND j.sequence = p.sequence)), 0)::float8
  FROM ledger.head b JOIN ledger.projection p ON p.book_id = b.book_id AND p.name = 'entry'
 WHERE b.book_id = %(book)s;

-- name: reached
SELECT p.sequence, b.head FROM ledger.head b JOIN ledger.projection p ON p.book_id = b.book_id AND p.name = 'entry'
 WHERE b.book_id = %(book)s;

-- What moves or holds money, in fixed width: no column is null, so that NumPy reads the stream as an array. `hold` is the
-- pending transfer that a row is or resolves.
-- name: copy_movements_out
COPY (
    SELECT sequence, kind, CASE WHEN kind = 2 THEN id ELSE coalesce(refers_to, '00000000-0000-0000-0000-000000000000') END,
           debit_account, credit_account, amount, value_date, posted_at
      FROM ledger.journal
     WHERE book_id = {book} AND sequence >= {first} AND sequence < {last} AND kind <= 6 ORDER BY sequence
) TO STDOUT (FORMAT BINARY);

-- name: copy_entries_in
COPY ledger.entry_rows (book_id, account, sequence, change, balance, held, expected) FROM STDIN (FORMAT BINARY);

-- name: copy_shifted_in
COPY ledger.shifted_entry_rows (book_id, account, shift, value_date, sequence, total) FROM STDIN (FORMAT BINARY);

-- Accounts as they stand after their last entry.
-- name: accounts_standing
SELECT a.account, a.side = 'credit', split_part(a.owner, ':', 1), a.pool, a.currency, coalesce(e.balance, 0),
       coalesce(e.held, 0), coalesce(e.expected, 0)
  FROM unnest(%(accounts)s::bigint[]) AS w (account)
  JOIN ledger.account a ON a.book_id = %(book)s AND a.account = w.account
  LEFT JOIN LATERAL (SELECT balance, held, expected FROM ledger.entry e
                      WHERE e.book_id = a.book_id AND e.account = a.account
                      ORDER BY e.sequence DESC LIMIT 1) e ON true;

-- name: shifts_standing
SELECT w.account, w.shift, e.total
  FROM unnest(%(accounts)s::bigint[], %(shifts)s::integer[]) AS w (account, shift)
 CROSS JOIN LATERAL (SELECT total FROM ledger.shifted_entry e
                      WHERE e.book_id = %(book)s AND e.account = w.account AND e.shift = w.shift
                      ORDER BY e.value_date DESC, e.sequence DESC LIMIT 1) e;

-- name: held_amounts
SELECT id, amount FROM ledger.journal WHERE book_id = %(book)s AND id = ANY(%(ids)s) AND kind = 2;

-- name: forget_entries
SELECT ledger.forget_entries(%(book)s);

-- The balance by value date `day`, as known before row `before`: what was posted by the end of that day (before row `cut`),
-- without the entries that are shifted, and of these what has its value by then. One look each for every shift that the
-- account ever had; the recursion skips from one shift to the next. A row `cut` (or `before`) or a later one was posted on
-- `cut_day` (`before_day`) or later, an earlier one on that day or earlier.
-- name: balance_by_value_date
WITH RECURSIVE shift (days) AS (
    (SELECT e.shift FROM ledger.shifted_entry e
      WHERE e.book_id = %(book)s AND e.account = %(account)s ORDER BY e.shift LIMIT 1)
    UNION ALL
    SELECT (SELECT e.shift FROM ledger.shifted_entry e
             WHERE e.book_id = %(book)s AND e.account = %(account)s AND e.shift > s.days ORDER BY e.shift LIMIT 1)
      FROM shift s WHERE s.days IS NOT NULL
), bound AS (
    SELECT days, %(cut_day)s::date + days AS cut_value,
           least(%(day)s::date + 1, %(before_day)s::date + days) AS value,
           CASE WHEN %(day)s::date + 1 <= %(before_day)s::date + days THEN 0 ELSE %(before)s::bigint END AS sequence
      FROM shift WHERE days IS NOT NULL
), sums AS (
    SELECT (SELECT e.total FROM ledger.shifted_entry e
             WHERE e.book_id = %(book)s AND e.account = %(account)s AND e.shift = b.days
               AND (e.value_date, e.sequence) < (b.cut_value, %(cut)s::bigint)
             ORDER BY e.value_date DESC, e.sequence DESC LIMIT 1) AS posted,
           (SELECT e.total FROM ledger.shifted_entry e
             WHERE e.book_id = %(book)s AND e.account = %(account)s AND e.shift = b.days
               AND (e.value_date, e.sequence) < (b.value, b.sequence)
             ORDER BY e.value_date DESC, e.sequence DESC LIMIT 1) AS valued
      FROM bound b
)
SELECT (coalesce((SELECT e.balance FROM ledger.entry e
                   WHERE e.book_id = %(book)s AND e.account = %(account)s AND e.sequence < %(cut)s
                   ORDER BY e.sequence DESC LIMIT 1), 0)
      + coalesce((SELECT sum(coalesce(valued, 0) - coalesce(posted, 0)) FROM sums), 0))::bigint;

-- name: totals
SELECT p.sequence, t.owner_class, t.pool, t.currency, t.side, t.balance, t.held, t.expected
  FROM ledger.projection p LEFT JOIN ledger.total t ON t.book_id = p.book_id
 WHERE p.book_id = %(book)s AND p.name = 'entry' ORDER BY t.pool, t.currency, t.owner_class, t.side;
