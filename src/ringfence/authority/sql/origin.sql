-- Who asked for a payment.

-- name: state_program_origin
SELECT authority.state_program_origin(%(book)s, %(event)s, %(order_id)s, %(request_sha256)s);

-- name: state_customer_origin
SELECT authority.state_customer_origin(%(book)s, %(event)s, %(order_id)s, %(token_sha256)s, %(document)s, %(credential)s,
                                       %(client_data)s, %(authenticator_data)s, %(signature)s);

-- name: origin_event
SELECT sequence, id, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND id = %(id)s AND kind = 16 AND code = 1150;

-- name: program_key
SELECT client_id, public_key, scopes, expires_at, admitted, revoked FROM authority.client_key
 WHERE book_id = %(book)s AND key_id = %(key)s;

-- name: state_mandate_origin
SELECT authority.state_mandate_origin(%(book)s, %(event)s, %(order_id)s, %(request_sha256)s, %(mandate)s, %(purpose)s,
                                      %(customer)s, %(currency)s, %(amount)s);

-- name: give_mandate
SELECT authority.give_mandate(%(book)s, %(event)s, %(token_sha256)s, %(document)s, %(credential)s, %(client_data)s,
                              %(authenticator_data)s, %(signature)s);

-- name: revoke_mandate
SELECT authority.revoke_mandate(%(book)s, %(event)s, %(token_sha256)s, %(mandate)s);

-- name: mandates
SELECT mandate_id, customer_id, person_id, client_id, purposes, currency, cap, period_cap, period_days, expires_at, given,
       given_at, revoked
  FROM authority.mandate
 WHERE book_id = %(book)s AND (%(customer)s::text IS NULL OR customer_id = %(customer)s)
   AND (%(mandate)s::uuid IS NULL OR mandate_id = %(mandate)s)
 ORDER BY given DESC;

-- What the journal says of a mandate: that it was revoked, and what was asked for under it.

-- name: mandate_revoked
SELECT sequence FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = 1153 AND sequence < %(before)s
   AND convert_from(payload, 'UTF8')::jsonb->>'mandate' = %(mandate)s LIMIT 1;

-- name: asked_under
SELECT (convert_from(payload, 'UTF8')::jsonb->>'order')::uuid FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = 1150 AND sequence < %(before)s AND posted_at > %(since)s
   AND convert_from(payload, 'UTF8')::jsonb->>'mandate' = %(mandate)s;

-- name: amount_of_rows
SELECT coalesce(sum(amount), 0)::bigint FROM ledger.journal WHERE book_id = %(book)s AND id = ANY(%(ids)s) AND kind IN (1, 2);
