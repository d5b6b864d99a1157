-- What the package asks the database. A holder is an owner of client money other than `unallocated` and `platform`.

-- Closed days and currencies that were tested and have no tree yet, the oldest first; without those refused just now.
-- name: to_prove
SELECT DISTINCT t.day, t.currency FROM safeguarding.test t
  JOIN custody.day d ON d.book_id = t.book_id AND d.day = t.day AND d.closed_at IS NOT NULL
 WHERE t.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM liabilities.proven p
                    WHERE p.book_id = t.book_id AND p.day = t.day AND p.currency = t.currency)
   AND NOT EXISTS (SELECT FROM liabilities.unproven u
                    WHERE u.book_id = t.book_id AND u.day = t.day AND u.currency = t.currency
                      AND u.refused_at > %(since)s)
 ORDER BY t.day, t.currency LIMIT %(limit)s;

-- By the rows before one that was signed, so that pages which are read one after the other belong together.
-- name: balances
SELECT a.owner, sum(coalesce(e.balance, 0))::bigint AS balance
  FROM ledger.account a
  LEFT JOIN LATERAL (SELECT e.balance FROM ledger.entry e
                      WHERE e.book_id = a.book_id AND e.account = a.account AND e.sequence < %(before)s
                      ORDER BY e.sequence DESC LIMIT 1) e ON true
 WHERE a.book_id = %(book)s AND a.currency = %(currency)s AND a.pool = 'client' AND a.side = 'credit'
   AND a.opened < %(before)s AND a.owner NOT IN ('unallocated', 'platform')
   AND (%(holder)s::text IS NULL OR a.owner = %(holder)s) AND a.owner > %(after)s
 GROUP BY a.owner ORDER BY a.owner LIMIT %(limit)s;

-- name: rows_of
SELECT id, sequence FROM ledger.journal WHERE book_id = %(book)s AND id = ANY(%(ids)s);

-- name: row_said
SELECT code, payload FROM ledger.journal WHERE book_id = %(book)s AND sequence = %(sequence)s AND kind = 16;

-- name: reconciled
SELECT r.run_id FROM reconciliation.run r
 WHERE r.book_id = %(book)s AND r.account_name = %(account_name)s AND r.day = %(day)s;

-- The notary's own checkpoint of a size, as it recorded it.
-- name: checkpoint_of
SELECT root FROM evidence.checkpoint WHERE book_id = %(book)s AND size = %(size)s;

-- name: erased_of
SELECT owner FROM vault.erasure WHERE book_id = %(book)s AND owner = ANY(%(owners)s);

-- name: prove
SELECT liabilities.prove(%(book)s, %(event)s);

-- name: keep_leaves
SELECT liabilities.keep_leaves(%(book)s, %(event)s, %(first)s, %(content)s);

-- name: attest
SELECT liabilities.attest(%(book)s, %(event)s);

-- name: refuse
SELECT liabilities.refuse(%(book)s, %(day)s, %(currency)s, %(name)s, %(facts)s, %(at)s);

-- name: proven
SELECT day, currency, sequence, mode, root, count, total, negative_count, negative_total, unallocated, cut_off,
       requirement, resource, proven_at
  FROM liabilities.proven
 WHERE book_id = %(book)s AND (%(day)s::date IS NULL OR day = %(day)s)
   AND (%(currency)s::text IS NULL OR currency = %(currency)s)
 ORDER BY day DESC, currency LIMIT %(limit)s;

-- name: leaves
SELECT content FROM liabilities.leaves
 WHERE book_id = %(book)s AND day = %(day)s AND currency = %(currency)s ORDER BY first;

-- name: attested
SELECT day, currency, auditor, sequence, note, attested_at FROM liabilities.attested
 WHERE book_id = %(book)s AND (%(day)s::date IS NULL OR day = %(day)s)
   AND (%(currency)s::text IS NULL OR currency = %(currency)s)
 ORDER BY day DESC, currency, auditor;

-- name: unproven
SELECT day, currency, name, facts, refused_at FROM liabilities.unproven
 WHERE book_id = %(book)s ORDER BY day, currency;
