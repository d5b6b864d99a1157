-- name: book_by_name
SELECT b.book_id, b.name, b.opened_at, h.head, h.head_at FROM ledger.book b JOIN ledger.head h USING (book_id)
 WHERE b.name = %(name)s;

-- name: books
SELECT b.book_id, b.name, b.opened_at, h.head, h.head_at FROM ledger.book b JOIN ledger.head h USING (book_id)
 ORDER BY b.book_id;

-- name: next_book
SELECT ledger.next_book(%(name)s);

-- name: serve_apart
SELECT ledger.serve_apart(%(book)s, %(logins)s::name[]);

-- name: serve_together
SELECT ledger.serve_together(%(book)s);

-- name: logins_of
SELECT s.login::text FROM ledger.service s WHERE %(book)s = ANY (s.books) ORDER BY s.login;

-- name: open_book
SELECT ledger.open_book(%(book_id)s, %(name)s, %(at)s);

-- name: head
SELECT head, head_at FROM ledger.head WHERE book_id = %(book)s;

-- name: advance
SELECT ledger.advance(%(book)s, %(expected)s, %(rows)s, %(at)s);

-- Few rows in one call.
-- name: append
SELECT ledger.append(%(book)s, %(expected)s, %(at)s, %(rows)s);

-- Many rows in one message: one transaction without BEGIN and COMMIT, since PostgreSQL takes a message for one.
-- name: promise_and_copy
SELECT ledger.promise({book}, {expected}, {rows}, {at});
COPY {part} (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, refers_to, order_id,
             code, value_date, posted_at, expires_at, payload) FROM STDIN (FORMAT BINARY);

-- Ends the connection that keeps the book's head while its program says nothing, for as long as ours has waited; what it
-- had begun is rolled back. No timeout of PostgreSQL reaches a program that stands still in the middle of a COPY.
-- name: end_stalled_writer
SELECT pg_terminate_backend(a.pid, 1000)
  FROM ledger.head h
  JOIN pg_locks l ON l.locktype = 'transactionid' AND l.granted AND l.transactionid = h.xmax
  JOIN pg_stat_activity a ON a.pid = l.pid
 WHERE h.book_id = %(book)s AND a.usename = current_user AND a.wait_event = 'ClientRead'
   AND a.state_change <= clock_timestamp() - current_setting('lock_timeout')::interval;

-- name: hold_head
SELECT ledger.hold_head(%(book)s);

-- name: parts
SELECT part, first, last FROM ledger.part ORDER BY part;

-- name: make_parts
SELECT ledger.make_parts(%(needed)s);

-- name: copy_journal_in
COPY {part} (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, refers_to, order_id,
                     code, value_date, posted_at, expires_at, payload) FROM STDIN (FORMAT BINARY);

-- Fixed width on purpose: no column is null, so that NumPy reads the stream as an array.
-- name: copy_journal_out
COPY (
    SELECT sequence, kind, flags, id, debit_account, credit_account, amount,
           coalesce(refers_to, '00000000-0000-0000-0000-000000000000'),
           coalesce(order_id, '00000000-0000-0000-0000-000000000000'),
           code, value_date, posted_at, coalesce(expires_at, 'infinity')
      FROM ledger.journal WHERE book_id = {book} AND sequence >= {first} AND sequence < {last} ORDER BY sequence
) TO STDOUT (FORMAT BINARY);

-- name: payloads
SELECT sequence, payload FROM ledger.journal
 WHERE book_id = %(book)s AND sequence >= %(first)s AND sequence < %(last)s AND payload IS NOT NULL;

-- name: rows_by_id
SELECT sequence, kind, flags, id, debit_account, credit_account, amount, refers_to, order_id, code, value_date,
       expires_at, payload
  FROM ledger.journal WHERE book_id = %(book)s AND id = ANY(%(ids)s);

-- name: references
SELECT j.id, j.kind, j.debit_account, j.credit_account, j.amount, r.kind AS referred_by
  FROM ledger.journal j
  LEFT JOIN ledger.journal r ON r.book_id = j.book_id AND r.refers_to = j.id AND r.kind BETWEEN 3 AND 6
                                AND r.sequence < %(before)s
 WHERE j.book_id = %(book)s AND j.id = ANY(%(ids)s) AND j.kind <= 6 AND j.sequence < %(before)s;

-- name: insert_account
INSERT INTO ledger.account (book_id, account, name, currency, side, minimum, maximum, owner, pool, opened)
VALUES (%(book)s, %(account)s, %(name)s, %(currency)s, %(side)s, %(minimum)s, %(maximum)s, %(owner)s, %(pool)s,
        %(opened)s);

-- name: close_account
UPDATE ledger.account SET closed = %(closed)s WHERE book_id = %(book)s AND account = %(account)s;

-- name: limit_account
SELECT ledger.limit_account(%(book)s, %(changed_by)s);

-- name: head_at
SELECT ledger.head_at(%(book)s, %(at)s);

-- name: account_by_name
SELECT account, name, currency, side, minimum, maximum, owner, pool, opened, closed
  FROM ledger.account WHERE book_id = %(book)s AND name = %(name)s;

-- A pattern finds its way through the index by what its names begin with: row security keeps LIKE itself from that, since
-- it may tell in an error what it was given.
-- name: accounts
SELECT account, name, currency, side, minimum, maximum, owner, pool, opened, closed
  FROM ledger.account
 WHERE book_id = %(book)s AND name LIKE %(pattern)s AND name ^@ split_part(translate(%(pattern)s, '_\', '%%%%'), '%%', 1)
 ORDER BY account;

-- name: balance_before
SELECT balance, held, expected FROM ledger.entry
 WHERE book_id = %(book)s AND account = %(account)s AND sequence < %(sequence)s ORDER BY sequence DESC LIMIT 1;

-- name: balances_before
SELECT a.account, a.name, a.currency, a.side, a.owner, a.pool, coalesce(e.balance, 0) AS balance,
       coalesce(e.held, 0) AS held, coalesce(e.expected, 0) AS expected
  FROM ledger.account a
  LEFT JOIN LATERAL (SELECT balance, held, expected FROM ledger.entry e
                      WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(sequence)s
                      ORDER BY e.sequence DESC LIMIT 1) e ON true
 WHERE a.book_id = %(book)s AND a.name LIKE %(pattern)s
   AND a.name ^@ split_part(translate(%(pattern)s, '_\', '%%%%'), '%%', 1) AND a.opened < %(sequence)s
 ORDER BY a.account;

-- A page of them, for a reader who turns pages: LIKE, from after one account number on.
-- name: balances_page
SELECT a.account, a.name, a.currency, a.side, a.owner, a.pool, coalesce(e.balance, 0) AS balance,
       coalesce(e.held, 0) AS held, coalesce(e.expected, 0) AS expected
  FROM ledger.account a
  LEFT JOIN LATERAL (SELECT balance, held, expected FROM ledger.entry e
                      WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(sequence)s
                      ORDER BY e.sequence DESC LIMIT 1) e ON true
 WHERE a.book_id = %(book)s AND a.name LIKE %(pattern)s
   AND a.name ^@ split_part(translate(%(pattern)s, '_\', '%%%%'), '%%', 1) AND a.opened < %(sequence)s AND a.account > %(after)s
 ORDER BY a.account LIMIT %(limit)s;

-- What rows changed in a pool and currency, in slices of the journal: on the side of what is owed (credit) and of what is
-- held (debit), with the time of each slice's last row.
-- name: pool_course
WITH pool AS (
    SELECT account, side FROM ledger.account
     WHERE book_id = %(book)s AND pool = %(pool)s AND currency = %(currency)s
), slice AS (
    SELECT width_bucket(j.sequence, %(first)s, %(last)s, %(slices)s) AS number, j.posted_at, j.amount,
           d.side AS debit_side, c.side AS credit_side
      FROM ledger.journal j
      LEFT JOIN pool d ON d.account = j.debit_account
      LEFT JOIN pool c ON c.account = j.credit_account
     WHERE j.book_id = %(book)s AND j.sequence >= %(first)s AND j.sequence < %(last)s AND j.kind IN (1, 3, 6)
)
SELECT max(posted_at),
       coalesce(sum(CASE WHEN debit_side = 'debit' THEN amount ELSE 0 END
                  - CASE WHEN credit_side = 'debit' THEN amount ELSE 0 END), 0)::bigint,
       coalesce(sum(CASE WHEN credit_side = 'credit' THEN amount ELSE 0 END
                  - CASE WHEN debit_side = 'credit' THEN amount ELSE 0 END), 0)::bigint
  FROM slice GROUP BY number ORDER BY number;

-- name: account_names
SELECT account, name FROM ledger.account WHERE book_id = %(book)s AND account = ANY(%(accounts)s);

-- name: statement
SELECT e.sequence, j.kind, e.change, e.balance, e.held, e.expected, j.id, j.refers_to, j.order_id, j.code, j.value_date,
       j.posted_at,
       CASE WHEN j.debit_account = e.account THEN j.credit_account ELSE j.debit_account END AS counter_account
  FROM ledger.entry e JOIN ledger.journal j ON j.book_id = e.book_id AND j.sequence = e.sequence
 WHERE e.book_id = %(book)s AND e.account = %(account)s AND e.sequence >= %(first)s AND e.sequence < %(last)s
 ORDER BY e.sequence DESC LIMIT %(limit)s;

-- name: journal_page
SELECT j.sequence, j.kind, j.flags, j.id, j.debit_account, d.name AS debit_name, j.credit_account,
       c.name AS credit_name, coalesce(d.currency, c.currency) AS currency, j.amount, j.refers_to, j.order_id, j.code,
       j.value_date, j.posted_at, j.expires_at, j.payload
  FROM ledger.journal j
  LEFT JOIN ledger.account d ON d.book_id = j.book_id AND d.account = j.debit_account
  LEFT JOIN ledger.account c ON c.book_id = j.book_id AND c.account = j.credit_account
 WHERE j.book_id = %(book)s AND j.sequence < %(before)s ORDER BY j.sequence DESC LIMIT %(limit)s;

-- name: rows_of_order
SELECT j.sequence, j.kind, j.flags, j.id, j.debit_account, d.name AS debit_name, j.credit_account,
       c.name AS credit_name, coalesce(d.currency, c.currency) AS currency, j.amount, j.refers_to, j.order_id, j.code,
       j.value_date, j.posted_at, j.expires_at, j.payload
  FROM ledger.journal j
  LEFT JOIN ledger.account d ON d.book_id = j.book_id AND d.account = j.debit_account
  LEFT JOIN ledger.account c ON c.book_id = j.book_id AND c.account = j.credit_account
 WHERE j.book_id = %(book)s AND j.order_id = %(order_id)s ORDER BY j.sequence;

-- name: events_of
SELECT sequence, id, order_id, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = %(code)s AND sequence >= %(first)s ORDER BY sequence;

-- name: expired_pending
SELECT p.id, p.debit_account, p.credit_account, p.amount, p.order_id FROM ledger.journal p
 WHERE p.book_id = %(book)s AND p.kind = 2 AND p.expires_at <= %(at)s
   AND NOT EXISTS (SELECT FROM ledger.journal r
                    WHERE r.book_id = p.book_id AND r.refers_to = p.id AND r.kind BETWEEN 3 AND 6)
 ORDER BY p.sequence;

-- name: posted_at
SELECT posted_at FROM ledger.journal WHERE book_id = %(book)s AND sequence = %(sequence)s;

-- name: clock
SELECT clock_timestamp();
