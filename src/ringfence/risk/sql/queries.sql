-- What orders did (1000, ORDER_STATE) and how they were judged (1010, RISK_DECISION), in the order of the journal.
-- name: order_rows
SELECT sequence, code, order_id, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = ANY('{1000, 1010}') AND sequence >= %(first)s AND sequence < %(last)s
 ORDER BY sequence;

-- name: decision_of_order
SELECT sequence, order_id, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = 1010 AND order_id = %(order_id)s ORDER BY sequence LIMIT 1;

-- name: decisions
SELECT sequence, order_id, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = 1010 AND sequence < %(before)s
   AND (%(outcome)s::text IS NULL OR convert_from(payload, 'UTF8')::jsonb ->> 'outcome' = %(outcome)s)
   AND (%(customer)s::text IS NULL OR convert_from(payload, 'UTF8')::jsonb ->> 'customer' = %(customer)s)
 ORDER BY sequence DESC LIMIT %(limit)s;
