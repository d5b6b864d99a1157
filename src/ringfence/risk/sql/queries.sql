-- How orders were judged (1010, RISK_DECISION) and how they ended (1000, ORDER_STATE), in the order of the journal.
-- Payloads are canonical JSON: the bytes looked for cannot stand inside a string, whose quotes are escaped.
-- name: order_rows
SELECT sequence, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = ANY('{1000, 1010}') AND sequence >= %(first)s AND sequence < %(last)s
   AND (code = 1010 OR position('"state":"settled"'::bytea IN payload) > 0
                    OR position('"state":"failed"'::bytea IN payload) > 0
                    OR position('"state":"rejected"'::bytea IN payload) > 0
                    OR position('"state":"cancelled"'::bytea IN payload) > 0)
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
