-- What the package asks and tells the database.

-- A day of a million items takes longer than the core's usual patience.
-- name: be_patient
SET LOCAL statement_timeout = '10min';

-- name: cut_off
SELECT coalesce((SELECT j.sequence FROM ledger.journal j
                  WHERE j.book_id = %(book)s AND j.kind = 16 AND j.code = %(day_closed)s AND j.value_date = %(day)s
                  ORDER BY j.sequence LIMIT 1),
                (SELECT b.head FROM ledger.head b WHERE b.book_id = %(book)s));

-- name: books_read
WITH movement AS NOT MATERIALIZED (
    SELECT e.sequence, e.change, e.balance, j.value_date FROM ledger.entry e
      JOIN ledger.journal j ON j.book_id = e.book_id AND j.sequence = e.sequence
     WHERE e.book_id = %(book)s AND e.account = %(account)s AND e.sequence < %(cut)s
), ahead AS (
    SELECT coalesce(min(m.sequence), %(cut)s) AS until FROM movement m
     WHERE m.sequence >= %(first)s AND m.value_date > %(day)s
)
SELECT coalesce((SELECT m.sequence FROM movement m WHERE m.change <> 0 AND m.value_date <= %(day)s
                  ORDER BY m.sequence DESC LIMIT 1), -1) AS books_last,
       a.until AS books_until,
       coalesce((SELECT m.balance FROM movement m WHERE m.sequence < a.until ORDER BY m.sequence DESC LIMIT 1), 0)
       + coalesce((SELECT sum(m.change) FROM movement m WHERE m.sequence >= a.until AND m.value_date <= %(day)s), 0)::bigint
       AS closing
  FROM ahead a;

-- name: bank_read
SELECT s.statement_id, s.day, s.closing, s.fingerprint, s.taken,
       NOT EXISTS (SELECT FROM banking.statement t WHERE t.book_id = s.book_id AND t.account_name = s.account_name
                                                     AND t.day = s.day AND t.entries > 0) AS verified_empty
  FROM banking.statement s
 WHERE s.book_id = %(book)s AND s.account_name = %(account_name)s AND s.day <= %(day)s
 ORDER BY s.taken DESC LIMIT 1;

-- name: match_items
SELECT run, movements, entries
  FROM reconciliation.match_items(%(book)s, %(account_name)s, %(day)s, %(cut)s, %(taken)s);

-- name: matched
SELECT count(*) AS items, coalesce(sum(e.change) FILTER (WHERE e.change > 0), 0)::bigint AS came_in,
       coalesce(-sum(e.change) FILTER (WHERE e.change < 0), 0)::bigint AS went_out
  FROM reconciliation.match x
  JOIN ledger.entry e ON e.book_id = x.book_id AND e.account = %(account)s AND e.sequence = x.sequence
 WHERE x.book_id = %(book)s AND x.account_name = %(account_name)s AND x.run = %(run)s;

-- name: unclosed
SELECT discrepancy_id, subject, kind, since, sequence, entry_key, accepted_at IS NOT NULL AS accepted
  FROM reconciliation.discrepancy
 WHERE book_id = %(book)s AND account_name = %(account_name)s AND closed_at IS NULL;

-- name: occurrences
SELECT subject, count(*) FROM reconciliation.discrepancy
 WHERE book_id = %(book)s AND subject = ANY(%(subjects)s) GROUP BY subject;

-- name: matched_items
SELECT sequence, entry_key FROM reconciliation.match
 WHERE book_id = %(book)s AND account_name = %(account_name)s
   AND (sequence = ANY(%(sequences)s) OR entry_key = ANY(%(keys)s));

-- name: open_discrepancies
SELECT reconciliation.open_discrepancies(%(book)s, %(account_name)s, %(run)s, %(day)s, %(currency)s, %(at)s, %(found)s);

-- name: close_discrepancies
SELECT reconciliation.close_discrepancies(%(book)s, %(run)s, %(day)s, %(at)s, %(gone)s);

-- name: insert_contra
SELECT reconciliation.insert_contra(%(book)s, %(account_name)s, %(run)s, %(pairs)s);

-- name: close_run
SELECT reconciliation.close_run(%(row)s);

-- name: accept_discrepancy
SELECT reconciliation.accept_discrepancy(%(book)s, %(discrepancy)s, %(person)s, %(reason)s, %(day)s, %(at)s);

-- Reading ---------------------------------------------------------------------------------------------------------------

-- name: runs
SELECT run_id, account_name, number, day, currency, cut, books_last, books_until, bank_until, statement_id, fingerprint,
       verified_empty, matched, matched_in, matched_out, contra, opened, closed, accepted,
       missing_at_bank, missing_in_books, amount_differs, duplicate_at_bank, balance_differs,
       missing_at_bank_difference, missing_in_books_difference, amount_differs_difference,
       duplicate_at_bank_difference, balance_differs_difference, cashbook_closing, bank_closing, reconciled_at
  FROM reconciliation.run
 WHERE book_id = %(book)s AND (%(account_name)s::text IS NULL OR account_name = %(account_name)s)
   AND (%(day)s::date IS NULL OR day = %(day)s)
 ORDER BY day DESC, account_name, number DESC LIMIT %(limit)s;

-- name: last_run
SELECT run_id, account_name, number, day, currency, cut, books_last, books_until, bank_until, statement_id, fingerprint,
       verified_empty, matched, matched_in, matched_out, contra, opened, closed, accepted,
       missing_at_bank, missing_in_books, amount_differs, duplicate_at_bank, balance_differs,
       missing_at_bank_difference, missing_in_books_difference, amount_differs_difference,
       duplicate_at_bank_difference, balance_differs_difference, cashbook_closing, bank_closing, reconciled_at
  FROM reconciliation.run
 WHERE book_id = %(book)s AND account_name = %(account_name)s AND (%(day)s::date IS NULL OR day = %(day)s)
 ORDER BY number DESC LIMIT 1;

-- Both sides of each discrepancy, with the keys that a person searches for.
-- name: discrepancies
SELECT d.discrepancy_id, d.account_name, d.kind, d.currency, d.since, d.opened_day, d.opened_at, d.difference,
       d.sequence, d.books_amount, d.books_day, j.id AS journal_id, j.order_id, m.key_kind, m.key,
       d.entry_key, d.bank_amount, d.bank_day, nullif(d.bank_reference, d.entry_key) AS bank_reference, d.end_to_end_id,
       e.statement_id, e.counterparty_name, e.remittance, d.accepted_by, d.accepted_reason, d.accepted_day, d.accepted_at, d.closed_because, d.closed_day,
       d.closed_at
  FROM (SELECT * FROM reconciliation.discrepancy d
         WHERE d.book_id = %(book)s AND (%(account_name)s::text IS NULL OR d.account_name = %(account_name)s)
           AND (%(discrepancy)s::uuid IS NULL OR d.discrepancy_id = %(discrepancy)s)
           AND CASE %(state)s::text WHEN 'open' THEN d.closed_at IS NULL AND d.accepted_at IS NULL
                                    WHEN 'accepted' THEN d.closed_at IS NULL AND d.accepted_at IS NOT NULL
                                    WHEN 'closed' THEN d.closed_at IS NOT NULL
                                    ELSE true END
           AND (d.since, d.discrepancy_id) > (%(after_since)s::date, %(after_id)s::uuid)
         ORDER BY d.since, d.discrepancy_id LIMIT %(limit)s) AS d
  LEFT JOIN ledger.journal j ON j.book_id = d.book_id AND j.sequence = d.sequence
  LEFT JOIN custody.cash_movement m ON m.book_id = d.book_id AND m.journal_id = j.id
  LEFT JOIN banking.entry e ON e.book_id = d.book_id AND e.account_name = d.account_name AND e.key = d.entry_key
 ORDER BY d.since, d.discrepancy_id;

-- Receipts that are in the books and not in a statement, because the bank has booked them for a later day than its last
-- statement: it said so in an advice.
-- name: advised
WITH announced AS MATERIALIZED (
    SELECT a.account_name, coalesce(a.bank_reference, a.key) AS reference, a.amount, max(a.booking_date) AS booking_date
      FROM banking.account b
      JOIN banking.advice a ON a.book_id = b.book_id AND a.account_name = b.name
     WHERE b.book_id = %(book)s AND a.amount > 0
       AND a.booking_date > coalesce((SELECT s.day FROM banking.statement s
                                       WHERE s.book_id = b.book_id AND s.account_name = b.name
                                       ORDER BY s.taken DESC LIMIT 1), '-infinity')
     GROUP BY 1, 2, 3
)
SELECT d.discrepancy_id, d.account_name, d.currency, d.books_amount AS amount, a.booking_date
  FROM reconciliation.discrepancy d
  JOIN ledger.journal j ON j.book_id = d.book_id AND j.sequence = d.sequence
  JOIN custody.cash_movement m ON m.book_id = d.book_id AND m.journal_id = j.id AND m.key_kind = 'bank_reference'
  JOIN announced a ON a.account_name = d.account_name AND a.amount = d.books_amount AND a.reference = m.key
 WHERE d.book_id = %(book)s AND d.closed_at IS NULL AND d.kind = 'missing_at_bank'
 ORDER BY d.account_name, j.sequence;

-- name: open_counts
SELECT account_name, kind, currency, count(*) AS items, sum(difference)::bigint AS difference, min(since) AS since
  FROM reconciliation.discrepancy
 WHERE book_id = %(book)s AND closed_at IS NULL AND accepted_at IS NULL
 GROUP BY account_name, kind, currency ORDER BY account_name, kind;

-- name: statement_items
SELECT b.key, b.amount, b.booking_date, b.reversal, b.bank_reference, b.end_to_end_id, b.counterparty_name, b.remittance,
       x.sequence, x.matched_by, j.order_id, c.counter_key, d.discrepancy_id, d.kind
  FROM banking.entry b
  LEFT JOIN reconciliation.match x ON x.book_id = b.book_id AND x.account_name = b.account_name AND x.entry_key = b.key
  LEFT JOIN ledger.journal j ON j.book_id = x.book_id AND j.sequence = x.sequence
  LEFT JOIN reconciliation.contra c ON c.book_id = b.book_id AND c.account_name = b.account_name AND c.entry_key = b.key
  LEFT JOIN reconciliation.discrepancy d ON d.book_id = b.book_id AND d.account_name = b.account_name
                                        AND d.entry_key = b.key AND d.closed_at IS NULL
 WHERE b.book_id = %(book)s AND b.account_name = %(account_name)s AND b.statement_id = %(statement_id)s
   AND b.key > %(after)s
 ORDER BY b.key LIMIT %(limit)s;

-- name: missing_statements
SELECT a.name AS account_name, (SELECT max(s.day) FROM banking.statement s
                                 WHERE s.book_id = a.book_id AND s.account_name = a.name) AS last_day
  FROM banking.account a
 WHERE a.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM banking.statement s WHERE s.book_id = a.book_id AND s.account_name = a.name
                                                     AND s.day = %(day)s)
 ORDER BY a.name;

-- name: pool_balances
SELECT a.currency, a.side, a.name = ANY(%(funding)s) AS funding, sum(e.balance) AS balance
  FROM ledger.account a
  JOIN LATERAL (SELECT e.balance FROM ledger.entry e
                 WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(before)s
                 ORDER BY e.sequence DESC LIMIT 1) e ON true
 WHERE a.book_id = %(book)s AND (a.pool = 'client' OR a.name = ANY(%(funding)s))
 GROUP BY 1, 2, 3;
