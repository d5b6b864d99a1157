-- What the package asks the database. An owner is a customer unless it is `unallocated` or `platform`: in the pool of
-- client money, whatever is owed to anybody else is owed to a client.

-- name: requirement
WITH balance AS (
    SELECT a.owner, sum(coalesce(e.balance, 0)) AS balance
      FROM ledger.account a
      LEFT JOIN LATERAL (SELECT e.balance FROM ledger.entry e
                          WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(before)s
                          ORDER BY e.sequence DESC LIMIT 1) e ON true
     WHERE a.book_id = %(book)s AND a.currency = %(currency)s AND a.pool = 'client' AND a.side = 'credit'
       AND a.opened < %(before)s
     GROUP BY a.owner
)
SELECT coalesce(sum(balance) FILTER (WHERE owner NOT IN ('unallocated', 'platform') AND balance > 0), 0)::bigint AS owed,
       coalesce(sum(balance) FILTER (WHERE owner = 'unallocated'), 0)::bigint AS unallocated,
       coalesce(sum(balance) FILTER (WHERE owner NOT IN ('unallocated', 'platform') AND balance < 0), 0)::bigint AS negative,
       count(*) FILTER (WHERE owner NOT IN ('unallocated', 'platform')) AS customers,
       count(*) FILTER (WHERE owner NOT IN ('unallocated', 'platform') AND balance < 0) AS negative_customers,
       coalesce(sum(balance) FILTER (WHERE owner = 'platform'), 0)::bigint AS fees_due
  FROM balance;

-- name: requirement_lines
WITH chosen AS (
    SELECT DISTINCT a.owner FROM ledger.account a
     WHERE a.book_id = %(book)s AND a.currency = %(currency)s AND a.pool = 'client' AND a.side = 'credit'
       AND a.opened < %(before)s AND a.owner <> 'platform' AND a.owner > %(after)s
     ORDER BY a.owner LIMIT %(limit)s
)
SELECT a.owner,
       coalesce(sum(e.balance) FILTER (WHERE a.name NOT LIKE '%%:frozen'), 0)::bigint AS available,
       coalesce(sum(e.balance) FILTER (WHERE a.name LIKE '%%:frozen'), 0)::bigint AS frozen
  FROM chosen c
  JOIN ledger.account a ON a.book_id = %(book)s AND a.owner = c.owner AND a.currency = %(currency)s
                       AND a.pool = 'client' AND a.side = 'credit' AND a.opened < %(before)s
  LEFT JOIN LATERAL (SELECT e.balance FROM ledger.entry e
                      WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(before)s
                      ORDER BY e.sequence DESC LIMIT 1) e ON true
 GROUP BY a.owner ORDER BY a.owner;

-- Movements that a run found in the books and not in the statement of its day: receipts that the bank has announced for
-- a later day, and payments that it has confirmed and not booked.
-- name: in_transit
WITH announced AS MATERIALIZED (
    SELECT coalesce(a.bank_reference, a.key) AS reference, a.amount, max(a.booking_date) AS booking_date
      FROM banking.advice a
     WHERE a.book_id = %(book)s AND a.account_name = %(account_name)s AND a.amount > 0 AND a.booking_date > %(day)s
     GROUP BY 1, 2
)
SELECT d.sequence, d.books_amount AS amount, d.books_day AS received_on, a.booking_date AS announced_for
  FROM reconciliation.discrepancy d
  JOIN ledger.journal j ON j.book_id = d.book_id AND j.sequence = d.sequence
  LEFT JOIN custody.cash_movement m ON m.book_id = d.book_id AND m.journal_id = j.id AND m.key_kind = 'bank_reference'
  LEFT JOIN announced a ON a.reference = m.key AND a.amount = d.books_amount
 WHERE d.book_id = %(book)s AND d.account_name = %(account_name)s AND d.kind = 'missing_at_bank'
   AND d.opened_run <= %(run)s AND (d.closed_run IS NULL OR d.closed_run > %(run)s)
 ORDER BY d.sequence;

-- What a run found at the bank and not in the books: each discrepancy that makes the bank's balance larger.
-- name: unrecorded
SELECT coalesce(sum(d.difference), 0)::bigint FROM reconciliation.discrepancy d
 WHERE d.book_id = %(book)s AND d.account_name = %(account_name)s AND d.kind <> 'missing_at_bank' AND d.difference > 0
   AND d.opened_run <= %(run)s AND (d.closed_run IS NULL OR d.closed_run > %(run)s);

-- name: insert_test
SELECT safeguarding.insert_test(%(row)s);

-- name: tests
SELECT test_id, day, currency, number, sequence, customers, owed, unallocated, unrecorded, negative_customers, negative,
       requirement, bank, in_transit, insured, resource, d_plus_one_requirement, d_plus_one_resource, cashbook, fees_due,
       funding, tested_at
  FROM safeguarding.test
 WHERE book_id = %(book)s AND (%(day)s::date IS NULL OR day = %(day)s)
   AND (%(currency)s::text IS NULL OR currency = %(currency)s)
 ORDER BY day DESC, currency, number DESC LIMIT %(limit)s;

-- name: event_said
SELECT payload FROM ledger.journal WHERE book_id = %(book)s AND id = %(id)s AND kind = 16;

-- name: transfers_of
SELECT count(*) FROM ledger.journal j
 WHERE j.book_id = %(book)s AND j.kind IN (1, 3, 6) AND j.value_date = %(day)s
   AND j.sequence >= coalesce((SELECT min(o.sequence) FROM ledger.journal o
                                WHERE o.book_id = %(book)s AND o.kind = 16 AND o.code = %(day_opened)s
                                  AND o.value_date = %(day)s), 0);

-- The bank's side of each client account as far as it is known: its last closing; what it announced for later days
-- (money that came, and money that left without being a payment of ours); and our payments that it confirmed since. A
-- payment that a statement not yet reconciled shows is in the closing already.
-- name: live_accounts
SELECT a.name, a.bank, a.currency, s.day AS statement_day, coalesce(s.closing, 0) AS closing,
       coalesce((SELECT sum(d.difference) FROM reconciliation.discrepancy d
                  WHERE d.book_id = a.book_id AND d.account_name = a.name AND d.closed_at IS NULL
                    AND d.kind <> 'missing_at_bank' AND d.difference > 0), 0)::bigint AS unrecorded,
       coalesce((SELECT e.balance FROM ledger.entry e WHERE e.book_id = a.book_id AND e.account = a.ledger_account
                  ORDER BY e.sequence DESC LIMIT 1), 0) AS cashbook,
       coalesce((SELECT sum(v.amount) FROM banking.advice v
                  WHERE v.book_id = a.book_id AND v.account_name = a.name
                    AND v.booking_date > coalesce(s.day, '-infinity')
                    AND (v.amount > 0
                         OR NOT EXISTS (SELECT FROM custody.cash_movement m
                                         WHERE m.book_id = v.book_id AND m.account_name = v.account_name
                                           AND m.key_kind = 'end_to_end_id' AND m.key = v.end_to_end_id))), 0)::bigint
       AS announced,
       (coalesce((SELECT sum(e.change) FROM ledger.entry e
                   WHERE e.book_id = a.book_id AND e.account = a.ledger_account AND e.sequence >= p.books_until
                     AND e.change < 0), 0)
        + coalesce((SELECT sum(d.books_amount) FROM reconciliation.discrepancy d
                     WHERE d.book_id = a.book_id AND d.account_name = a.name AND d.closed_at IS NULL
                       AND d.kind = 'missing_at_bank' AND d.books_amount < 0 AND d.sequence < p.books_until), 0)
        - coalesce((SELECT sum(shown.change) FROM (
                        SELECT DISTINCT e.sequence, e.change FROM banking.statement t
                          JOIN banking.entry b ON b.book_id = t.book_id AND b.account_name = t.account_name
                                              AND b.statement_id = t.statement_id AND b.amount < 0
                         CROSS JOIN LATERAL (SELECT * FROM custody.cash_movement m
                                              WHERE m.book_id = b.book_id AND m.account_name = b.account_name
                                                AND m.key_kind = 'end_to_end_id' AND m.key = b.end_to_end_id OFFSET 0) m
                         CROSS JOIN LATERAL (SELECT * FROM ledger.journal j
                                              WHERE j.book_id = m.book_id AND j.id = m.journal_id OFFSET 0) j
                         CROSS JOIN LATERAL (SELECT * FROM ledger.entry e
                                              WHERE e.book_id = j.book_id AND e.account = a.ledger_account
                                                AND e.sequence = j.sequence OFFSET 0) e
                         WHERE t.book_id = a.book_id AND t.account_name = a.name AND t.taken > p.bank_until
                           AND e.change < 0
                       ) AS shown), 0))::bigint
       AS paid
  FROM banking.account a
  JOIN reconciliation.position p ON p.book_id = a.book_id AND p.account_name = a.name
  LEFT JOIN LATERAL (SELECT s.day, s.closing FROM banking.statement s
                      WHERE s.book_id = a.book_id AND s.account_name = a.name ORDER BY s.taken DESC LIMIT 1) s ON true
 WHERE a.book_id = %(book)s AND a.pool = 'client'
 ORDER BY a.currency, a.name;

-- name: due_statements
SELECT a.name AS account_name,
       (SELECT min(f.received_at) FROM banking.statement s
          JOIN banking.file f ON f.book_id = s.book_id AND f.sha256 = s.file_sha256
         WHERE s.book_id = a.book_id AND s.account_name = a.name AND s.day = %(day)s) AS arrived_at
  FROM banking.account a WHERE a.book_id = %(book)s ORDER BY a.name;

-- name: oldest_open
SELECT count(*) AS items, min(since) AS since, min(opened_at) AS opened_at FROM reconciliation.discrepancy
 WHERE book_id = %(book)s AND closed_at IS NULL AND accepted_at IS NULL;
