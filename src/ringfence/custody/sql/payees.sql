-- name: found_payee
SELECT custody.found_payee(%(book)s, %(event)s, %(payee)s, %(customer)s, %(sha256)s, %(maker)s);

-- name: propose_payee
SELECT custody.propose_payee(%(book)s, %(event)s, %(proposal)s, %(payee)s);

-- name: add_payee
SELECT custody.add_payee(%(book)s, %(event)s, %(proposal)s);

-- name: remove_payee
SELECT custody.remove_payee(%(book)s, %(event)s, %(token_sha256)s, %(payee)s);

-- A payee, with the first time at which the notary vouched for its row.
-- name: payee
SELECT p.payee_id, p.customer_id, p.sha256, p.maker, p.proposed_at, p.added, p.added_at, p.removed_at, p.removed_by,
       (SELECT c.signed_at FROM evidence.checkpoint c
         WHERE c.book_id = p.book_id AND c.size > p.added ORDER BY c.size LIMIT 1) AS signed_at
  FROM custody.payee p WHERE p.book_id = %(book)s AND p.payee_id = %(payee)s;

-- name: payees_of
SELECT p.payee_id, p.customer_id, p.sha256, p.maker, p.proposed_at, p.added, p.added_at, p.removed_at, p.removed_by,
       (SELECT c.signed_at FROM evidence.checkpoint c
         WHERE c.book_id = p.book_id AND c.size > p.added ORDER BY c.size LIMIT 1) AS signed_at
  FROM custody.payee p WHERE p.book_id = %(book)s AND p.customer_id = %(customer)s
 ORDER BY p.proposed_at DESC, p.payee_id LIMIT %(limit)s;

-- The payee of a customer that stands, by the index of its account.
-- name: payee_with
SELECT p.payee_id, p.customer_id, p.sha256, p.maker, p.proposed_at, p.added, p.added_at, p.removed_at, p.removed_by,
       (SELECT c.signed_at FROM evidence.checkpoint c
         WHERE c.book_id = p.book_id AND c.size > p.added ORDER BY c.size LIMIT 1) AS signed_at
  FROM custody.payee p
  JOIN vault.field f ON f.book_id = p.book_id AND f.row_key = p.payee_id::text AND f.place = 'custody.payee.account'
 WHERE p.book_id = %(book)s AND p.customer_id = %(customer)s AND f.indexed = %(indexed)s
   AND p.added IS NOT NULL AND p.removed IS NULL
 ORDER BY p.added LIMIT 1;

-- name: insert_order_payee
INSERT INTO custody.order_payee (book_id, order_id, payee_id) VALUES (%(book)s, %(order_id)s, %(payee)s);

-- name: payee_of_order
SELECT p.payee_id, p.customer_id, p.sha256, p.maker, p.proposed_at, p.added, p.added_at, p.removed_at, p.removed_by,
       (SELECT c.signed_at FROM evidence.checkpoint c
         WHERE c.book_id = p.book_id AND c.size > p.added ORDER BY c.size LIMIT 1) AS signed_at
  FROM custody.order_payee l JOIN custody.payee p ON p.book_id = l.book_id AND p.payee_id = l.payee_id
 WHERE l.book_id = %(book)s AND l.order_id = %(order_id)s;

-- Orders that wait for one payee, the oldest first.
-- name: waiting_for
SELECT o.order_id FROM custody.order_payee l JOIN custody."order" o ON o.book_id = l.book_id AND o.order_id = l.order_id
 WHERE l.book_id = %(book)s AND l.payee_id = %(payee)s AND o.state IN ('held', 'awaiting_approval', 'cooling_off')
 ORDER BY o.placed_at, o.order_id;

-- name: let_go_to
SELECT custody.let_go_to(%(book)s, %(payee)s);

-- name: let_go
SELECT custody.let_go(%(book)s, %(event)s, %(order_id)s, %(before)s);
