-- Programs that sign: their keys, and the requests that were taken.

-- name: keys_of
SELECT key_id, client_id, public_key, scopes, ended, good_seconds FROM authority.keys_of(%(book)s, %(key_ids)s, %(at)s);

-- name: take_requests
SELECT taken FROM authority.take_requests(%(book)s, %(key_ids)s, %(nonces)s, %(created)s, %(at)s) AS taken;

-- name: client_keys
SELECT key_id, client_id, public_key, scopes, expires_at, added, revoked, admitted FROM authority.client_key
 WHERE book_id = %(book)s AND client_id = %(client)s ORDER BY added;

-- name: client
SELECT client_id, scopes, active, signed_only, added FROM authority.client
 WHERE book_id = %(book)s AND client_id = %(client)s;

-- name: add_client_key
SELECT authority.add_client_key(%(book)s, %(event)s, %(token_sha256)s, %(client)s, %(public_key)s, %(scopes)s,
                                %(expires_at)s);

-- name: revoke_client_key
SELECT authority.revoke_client_key(%(book)s, %(event)s, %(token_sha256)s, %(key)s);

-- name: set_signed_only
SELECT authority.set_signed_only(%(book)s, %(event)s, %(token_sha256)s, %(client)s, %(signed_only)s);

-- name: admit_program_key
SELECT authority.admit_program_key(%(book)s, %(event)s, %(proposal)s);
