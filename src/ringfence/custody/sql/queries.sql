-- name: open_day
INSERT INTO custody.day (book_id, day, opened_at) VALUES (%(book)s, %(day)s, %(at)s);

-- name: close_day
SELECT custody.close_day(%(book)s, %(day)s, %(at)s);

-- name: current_day
SELECT day FROM custody.day WHERE book_id = %(book)s AND closed_at IS NULL;

-- name: days
SELECT day, opened_at, closed_at FROM custody.day WHERE book_id = %(book)s ORDER BY day DESC LIMIT %(limit)s;

-- name: insert_customer
INSERT INTO custody.customer (book_id, customer_id, name, nature, bank, currency, registered_at)
VALUES (%(book)s, %(customer_id)s, %(name)s, %(nature)s, %(bank)s, %(currency)s, %(at)s);

-- name: open_wallet
SELECT custody.open_wallet(%(book)s, %(event)s, %(customer)s, %(available)s, %(frozen)s);

-- What left a customer's wallet since a day, or is on its way: payments out, and transfers to others.
-- name: paid_since
SELECT coalesce(sum(amount), 0)::bigint FROM custody."order"
 WHERE book_id = %(book)s AND customer_id = %(customer)s AND kind IN ('withdrawal', 'transfer', 'escrow') AND day >= %(since)s
   AND state NOT IN ('refused', 'rejected', 'cancelled', 'failed', 'returned');

-- name: customer
SELECT customer_id, name, nature, bank, currency, available, frozen, registered_at
  FROM custody.customer WHERE book_id = %(book)s AND customer_id = %(customer_id)s;

-- name: customers
SELECT customer_id, name, nature, bank, currency, available, frozen, registered_at
  FROM custody.customer
 WHERE book_id = %(book)s AND (customer_id ILIKE %(pattern)s OR name ILIKE %(pattern)s) AND customer_id > %(after)s
 ORDER BY customer_id LIMIT %(limit)s;

-- Which accounts programs may post to directly (ledger.posting): available money of customers who are verified now, in a
-- tier without limits that a row would have to be counted against, and only between customers whose money lies on the same
-- custodian account.
-- name: open_to_posting
SELECT a.account, c.bank AS together
  FROM ledger.account a
  JOIN custody.customer c ON c.book_id = a.book_id AND 'customer:' || c.customer_id = a.owner AND c.available = a.account
  JOIN diligence.file f ON f.book_id = c.book_id AND f.customer_id = c.customer_id AND f.state = 'verified'
                       AND f.limits = '{}'
 WHERE a.book_id = %(book)s AND a.account = ANY(%(accounts)s);

-- name: insert_bank_account
INSERT INTO banking.account (book_id, name, bank, scheme, identification, holder, bank_code, currency, pool,
                             ledger_account)
SELECT %(book)s, %(name)s, %(bank)s, %(scheme)s, %(identification)s, %(holder)s, %(bank_code)s, %(currency)s, %(pool)s,
       account FROM ledger.account WHERE book_id = %(book)s AND name = %(name)s;

-- name: insert_order
INSERT INTO custody."order" (book_id, order_id, kind, state, day, customer_id, other_customer, account_name, currency,
    amount, payee_name, reference, maker, asked, placed_at, moved_at)
VALUES (%(book)s, %(order_id)s, %(kind)s, %(state)s, %(day)s, %(customer_id)s, %(other_customer)s, %(account_name)s,
    %(currency)s, %(amount)s, %(payee_name)s, %(reference)s, %(maker)s, %(asked)s, %(at)s, %(at)s);

-- name: move_order
SELECT custody.move_order(%(book)s, %(order_id)s, %(seen)s, %(becomes)s, %(at)s);

-- name: order_by_id
SELECT order_id, kind, state, day, customer_id, other_customer, account_name, currency, amount, payee_name,
       reference, maker, asked, placed_at, moved_at
  FROM custody."order" WHERE book_id = %(book)s AND order_id = %(order_id)s;

-- name: orders
SELECT order_id, kind, state, day, customer_id, other_customer, account_name, currency, amount, payee_name,
       reference, maker, asked, placed_at, moved_at
  FROM custody."order"
 WHERE book_id = %(book)s AND (%(state)s::text IS NULL OR state = %(state)s) AND (%(kind)s::text IS NULL OR kind = %(kind)s)
   AND (%(customer)s::text IS NULL OR customer_id = %(customer)s) AND (%(day)s::date IS NULL OR day = %(day)s)
   AND (placed_at, order_id) < (%(before_at)s, %(before_id)s)
 ORDER BY placed_at DESC, order_id DESC LIMIT %(limit)s;

-- name: orders_by_state
SELECT kind, state, count(*) AS orders, sum(amount)::bigint AS amount, currency FROM custody."order"
 WHERE book_id = %(book)s AND (%(day)s::date IS NULL OR day = %(day)s) GROUP BY kind, state, currency ORDER BY kind, state;

-- name: expected_deposit
SELECT order_id, kind, state, day, customer_id, other_customer, account_name, currency, amount, payee_name,
       reference, maker, asked, placed_at, moved_at
  FROM custody."order" WHERE book_id = %(book)s AND state = 'expected' AND kind IN ('deposit', 'funding')
   AND reference = %(reference)s AND amount = %(amount)s ORDER BY placed_at LIMIT 1;

-- name: insert_payment_order
INSERT INTO banking.payment_order (book_id, order_id, account_name, ordered_at)
VALUES (%(book)s, %(order_id)s, %(account_name)s, %(at)s);

-- name: insert_cash_movement
INSERT INTO custody.cash_movement (book_id, account_name, journal_id, key_kind, key)
VALUES (%(book)s, %(account_name)s, %(journal_id)s, %(key_kind)s, %(key)s);

-- name: insert_receipt
INSERT INTO custody.receipt (book_id, account_name, key, order_id)
VALUES (%(book)s, %(account_name)s, %(key)s, %(order_id)s);

-- name: insert_status_taken
INSERT INTO custody.status_taken (book_id, order_id, code) VALUES (%(book)s, %(order_id)s, %(code)s);

-- name: new_advices
SELECT a.account_name, a.key, a.amount, a.booking_date, a.reversal, a.bank_reference, a.end_to_end_id,
       a.original_reference, a.counterparty_name, a.remittance, b.currency, b.pool, b.ledger_account
  FROM banking.advice a JOIN banking.account b ON b.book_id = a.book_id AND b.name = a.account_name
 WHERE a.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM custody.receipt r WHERE r.book_id = a.book_id AND r.account_name = a.account_name
                                                   AND r.key = a.key)
 ORDER BY a.taken LIMIT %(limit)s;

-- name: new_statuses
SELECT s.order_id, s.code, s.outcome, s.reasons FROM banking.payment_status s
 WHERE s.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM custody.status_taken t WHERE t.book_id = s.book_id AND t.order_id = s.order_id
                                                        AND t.code = s.code)
 ORDER BY s.taken LIMIT %(limit)s;

-- name: submitted_orders
SELECT o.order_id FROM custody."order" o JOIN banking.submission s ON s.book_id = o.book_id AND s.order_id = o.order_id
 WHERE o.book_id = %(book)s AND o.state = 'released' ORDER BY s.submitted_at LIMIT %(limit)s;

-- name: unallocated
SELECT order_id, kind, state, day, customer_id, other_customer, account_name, currency, amount, payee_name,
       reference, maker, asked, placed_at, moved_at
  FROM custody."order" o WHERE book_id = %(book)s AND kind = 'deposit' AND state = 'unallocated'
   AND NOT EXISTS (SELECT FROM custody."order" a WHERE a.book_id = o.book_id AND a.kind = 'allocation'
                      AND a.reference = o.order_id::text AND a.state = 'settled')
 ORDER BY placed_at;

-- name: hold
SELECT debit_account, credit_account, amount, code, value_date FROM ledger.journal
 WHERE book_id = %(book)s AND id = %(id)s AND kind = 2;

-- name: cash_movement_by_key
SELECT journal_id FROM custody.cash_movement
 WHERE book_id = %(book)s AND account_name = %(account_name)s AND key_kind = %(key_kind)s AND key = %(key)s;

-- name: new_files
SELECT f.sha256, f.bank, f.message, f.outcome, f.reason FROM banking.file f
 WHERE f.book_id = %(book)s AND (f.message IN ('camt.053', 'described csv') OR f.outcome = 'quarantined')
   AND NOT EXISTS (SELECT FROM custody.file_noted n WHERE n.book_id = f.book_id AND n.sha256 = f.sha256)
 ORDER BY f.received_at, f.sha256 LIMIT %(limit)s;

-- name: insert_file_noted
INSERT INTO custody.file_noted (book_id, sha256) VALUES (%(book)s, %(sha256)s);

-- name: require_room
SELECT custody.require_room(%(book)s, %(customer)s, %(credited)s);

-- A transfer, or the post of a held one, by its id, and whether a correction refers to it.
-- name: posted_transfer
SELECT j.sequence, j.id, j.kind, j.debit_account, d.name AS debit_name, j.credit_account, c.name AS credit_name, d.currency,
       j.amount, j.code, j.value_date,
       EXISTS (SELECT FROM ledger.journal k
                WHERE k.book_id = j.book_id AND k.refers_to = j.id AND k.kind = 6) AS corrected
  FROM ledger.journal j
  JOIN ledger.account d ON d.book_id = j.book_id AND d.account = j.debit_account
  JOIN ledger.account c ON c.book_id = j.book_id AND c.account = j.credit_account
 WHERE j.book_id = %(book)s AND j.id = %(id)s AND j.kind IN (1, 3);
