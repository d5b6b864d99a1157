-- name: accounts
SELECT name, bank, scheme, identification, holder, bank_code, currency, pool, ledger_account
  FROM banking.account WHERE book_id = %(book)s ORDER BY name;

-- name: file_is_known
SELECT outcome FROM banking.file WHERE book_id = %(book)s AND sha256 = %(sha256)s;

-- name: insert_file
INSERT INTO banking.file (book_id, sha256, bank, name, message, bytes, outcome, reason, sentence, received_at)
VALUES (%(book)s, %(sha256)s, %(bank)s, %(name)s, %(message)s, %(bytes)s, %(outcome)s, %(reason)s, %(sentence)s, %(at)s);

-- name: insert_statement
INSERT INTO banking.statement (book_id, account_name, statement_id, day, opening, closing, entries, fingerprint,
                               file_sha256)
VALUES (%(book)s, %(account_name)s, %(statement_id)s, %(day)s, %(opening)s, %(closing)s, %(entries)s, %(fingerprint)s,
        %(sha256)s);

-- name: insert_entry
INSERT INTO banking.entry (book_id, account_name, key, statement_id, amount, booking_date, value_date, reversal,
                           bank_reference, end_to_end_id, counterparty_name, remittance)
VALUES (%(book)s, %(account_name)s, %(key)s, %(statement_id)s, %(amount)s, %(booking_date)s, %(value_date)s,
        %(reversal)s, %(bank_reference)s, %(end_to_end_id)s, %(counterparty_name)s, %(remittance)s);

-- An advice that comes again in another file is the same advice.
-- name: insert_advice
INSERT INTO banking.advice (book_id, account_name, key, amount, booking_date, reversal, bank_reference, end_to_end_id,
                            original_reference, counterparty_name, remittance, file_sha256)
VALUES (%(book)s, %(account_name)s, %(key)s, %(amount)s, %(booking_date)s, %(reversal)s, %(bank_reference)s,
        %(end_to_end_id)s, %(original_reference)s, %(counterparty_name)s, %(remittance)s, %(sha256)s)
ON CONFLICT (book_id, account_name, key) DO NOTHING;

-- name: order_of_message
SELECT order_id FROM banking.submission WHERE book_id = %(book)s AND message_id = %(message_id)s;

-- name: insert_status
INSERT INTO banking.payment_status (book_id, order_id, code, outcome, reasons, file_sha256, reported_at)
VALUES (%(book)s, %(order_id)s, %(code)s, %(outcome)s, %(reasons)s, %(sha256)s, %(at)s)
ON CONFLICT (book_id, order_id, code) DO NOTHING;

-- name: statuses_of
SELECT code, outcome, reasons, reported_at FROM banking.payment_status
 WHERE book_id = %(book)s AND order_id = %(order_id)s ORDER BY taken;

-- name: waiting_payments
SELECT o.order_id, o.account_name, o.ordered_at FROM banking.payment_order o
 WHERE o.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM banking.submission s WHERE s.book_id = o.book_id AND s.order_id = o.order_id)
 ORDER BY o.ordered LIMIT %(limit)s;

-- name: insert_submission
INSERT INTO banking.submission (book_id, order_id, message_id, file_name, file_sha256, submitted_at, payee_id, amount)
VALUES (%(book)s, %(order_id)s, %(message_id)s, %(file_name)s, %(sha256)s, %(at)s, %(payee)s, %(amount)s);

-- name: submitted_to
SELECT coalesce(sum(amount), 0)::bigint FROM banking.submission WHERE book_id = %(book)s AND payee_id = %(payee)s;

-- name: submission_of
SELECT message_id, file_name, file_sha256, submitted_at FROM banking.submission
 WHERE book_id = %(book)s AND order_id = %(order_id)s;

-- name: insert_withheld
INSERT INTO banking.withheld (book_id, order_id, reason, sentence, withheld_at)
VALUES (%(book)s, %(order_id)s, %(reason)s, %(sentence)s, %(at)s)
ON CONFLICT (book_id, order_id, reason) DO NOTHING;

-- name: withheld_of
SELECT reason, sentence, withheld_at FROM banking.withheld
 WHERE book_id = %(book)s AND order_id = %(order_id)s ORDER BY withheld_at;

-- name: withheld
SELECT w.order_id, w.reason, w.sentence, w.withheld_at FROM banking.withheld w
 WHERE w.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM banking.submission s WHERE s.book_id = w.book_id AND s.order_id = w.order_id)
 ORDER BY w.withheld_at DESC LIMIT %(limit)s;

-- name: files
SELECT sha256, bank, name, message, bytes, outcome, reason, sentence, received_at FROM banking.file
 WHERE book_id = %(book)s AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
 ORDER BY received_at DESC, name DESC LIMIT %(limit)s;

-- name: statements
SELECT account_name, statement_id, day, opening, closing, entries, fingerprint, file_sha256, taken
  FROM banking.statement WHERE book_id = %(book)s ORDER BY taken DESC LIMIT %(limit)s;

-- name: latest_statements
SELECT DISTINCT ON (account_name) account_name, statement_id, day, opening, closing, entries, fingerprint, file_sha256,
       taken
  FROM banking.statement WHERE book_id = %(book)s ORDER BY account_name, taken DESC;

-- name: entries_of_statement
SELECT key, amount, booking_date, value_date, reversal, bank_reference, end_to_end_id, counterparty_name, remittance
  FROM banking.entry WHERE book_id = %(book)s AND account_name = %(account_name)s AND statement_id = %(statement_id)s
 ORDER BY booking_date, key;

-- name: journal_row
SELECT sequence, kind, debit_account, credit_account, amount, payload, posted_at FROM ledger.journal
 WHERE book_id = %(book)s AND id = %(id)s;

-- name: event_row
SELECT sequence, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND id = %(id)s AND kind = 16;

-- When somebody else than the core first vouched for a row. The table says where to look: what counts is the note.
-- name: first_signed
SELECT signed_at, note FROM evidence.checkpoint WHERE book_id = %(book)s AND size > %(sequence)s ORDER BY size LIMIT 1;

-- name: resolution_of
SELECT kind FROM ledger.journal WHERE book_id = %(book)s AND refers_to = %(id)s AND kind BETWEEN 3 AND 6;

-- name: account_name
SELECT name FROM ledger.account WHERE book_id = %(book)s AND account = %(account)s;
