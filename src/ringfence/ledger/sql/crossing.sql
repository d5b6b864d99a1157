-- What one book knows of a crossing, by the ids that follow from it: the hold, whatever stands under the hold's id, what
-- resolved it, and the end. `before` is the row before which to look.
-- name: rows_of_crossing
SELECT j.id, j.kind, j.refers_to, j.sequence, j.payload FROM ledger.journal j
 WHERE j.book_id = %(book)s AND j.sequence < %(before)s AND (j.id = ANY(%(ids)s) OR (j.refers_to = %(hold)s AND j.kind BETWEEN 3 AND 6));

-- Crossings that a book began from row `first` on and before `before`, and that had not ended before row `ended_before`.
-- name: open_crossings
SELECT b.sequence, b.posted_at, b.payload FROM ledger.journal b
 WHERE b.book_id = %(book)s AND b.kind = 16 AND b.code = %(begun)s
   AND b.sequence >= %(first)s AND b.sequence < %(before)s
   AND NOT EXISTS (SELECT FROM ledger.journal e
                    WHERE e.book_id = b.book_id AND e.kind = 16 AND e.code = %(ended)s AND e.order_id = b.order_id
                      AND e.sequence > b.sequence AND e.sequence < %(ended_before)s)
 ORDER BY b.sequence;

-- name: crossing_begun
SELECT sequence, payload FROM ledger.journal WHERE book_id = %(book)s AND id = %(id)s AND kind = 16;

-- name: clearing_accounts
SELECT account, name, currency FROM ledger.account
 WHERE book_id = %(book)s AND name ^@ 'clearing:' ORDER BY account;

-- name: account_of_name
SELECT account, name, currency, side, owner, pool FROM ledger.account WHERE book_id = %(book)s AND name = %(name)s;
