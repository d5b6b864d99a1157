-- What stands behind an event that says that people did something: a row that names it by its sequence.
-- name: stands_behind
SELECT true FROM authority.proposal p WHERE %(code)s = 1020 AND p.book_id = %(book)s AND p.made = %(sequence)s
 UNION ALL
SELECT true FROM authority.approval a
 WHERE %(code)s = CASE a.decided WHEN 'approve' THEN 1021 ELSE 1022 END AND a.book_id = %(book)s AND a.sequence = %(sequence)s
 UNION ALL
SELECT true FROM authority.policy p WHERE %(code)s = 1023 AND p.book_id = %(book)s AND p.sequence = %(sequence)s
 UNION ALL
SELECT true FROM authority.passkey k WHERE %(code)s = 1032 AND k.book_id = %(book)s AND k.enrolled = %(sequence)s
 UNION ALL
SELECT true FROM authority.completion c WHERE %(code)s = 1036 AND c.book_id = %(book)s AND c.recorded = %(sequence)s
 UNION ALL
SELECT true FROM authority.origin o WHERE %(code)s = 1150 AND o.book_id = %(book)s AND o.sequence = %(sequence)s
 UNION ALL
SELECT true FROM authority.client_key k WHERE %(code)s = 1151 AND k.book_id = %(book)s AND k.admitted = %(sequence)s
 UNION ALL
SELECT true FROM authority.proposal p
 WHERE %(code)s = 1160 AND p.act = 'new_payee' AND p.book_id = %(book)s AND p.carried_out = %(sequence)s
 UNION ALL
SELECT true FROM authority.mandate m WHERE %(code)s = 1152 AND m.book_id = %(book)s AND m.given = %(sequence)s
 UNION ALL
SELECT true FROM authority.mandate m WHERE %(code)s = 1153 AND m.book_id = %(book)s AND m.revoked = %(sequence)s
 UNION ALL
SELECT true FROM authority.rule_pack r WHERE %(code)s = 1195 AND r.book_id = %(book)s AND r.sequence = %(sequence)s;

-- name: hold
SELECT j.kind, j.amount, a.currency, a.name, j.posted_at FROM ledger.journal j
  JOIN ledger.account a ON a.book_id = j.book_id AND a.account = j.debit_account
 WHERE j.book_id = %(book)s AND j.id = %(id)s AND j.sequence < %(before)s;

-- name: event
SELECT j.payload, j.posted_at, j.sequence FROM ledger.journal j
 WHERE j.book_id = %(book)s AND j.id = %(id)s AND j.kind = 16 AND j.sequence < %(before)s;

-- name: currency
SELECT a.currency FROM ledger.account a WHERE a.book_id = %(book)s AND a.account = %(account)s;

-- name: first_of_order
SELECT j.posted_at FROM ledger.journal j
 WHERE j.book_id = %(book)s AND j.order_id = %(order)s AND j.kind = 16 AND j.code = 1000 ORDER BY j.sequence LIMIT 1;
