-- Who asked for a payment.

-- name: state_program_origin
SELECT authority.state_program_origin(%(book)s, %(event)s, %(order_id)s, %(request_sha256)s);

-- name: origin_event
SELECT sequence, id, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND id = %(id)s AND kind = 16 AND code = 1150;

-- name: program_key
SELECT client_id, public_key, scopes, expires_at, admitted, revoked FROM authority.client_key
 WHERE book_id = %(book)s AND key_id = %(key)s;
