-- Identity providers, and who is bound there.

-- name: providers
SELECT p.provider, p.issuer, p.client_id, p.subject_claim, p.acr, p.registered, p.removed,
       coalesce(array_agg(k.thumbprint ORDER BY k.thumbprint) FILTER (WHERE k.thumbprint IS NOT NULL), '{}') AS thumbprints
  FROM authority.provider p
  LEFT JOIN authority.provider_key k ON k.book_id = p.book_id AND k.provider = p.provider AND k.retired IS NULL
 WHERE p.book_id = %(book)s GROUP BY p.book_id, p.provider ORDER BY p.provider;

-- name: set_provider
SELECT authority.set_provider(%(book)s, %(event)s, %(proposal)s);

-- name: remove_provider
SELECT authority.remove_provider(%(book)s, %(event)s, %(token_sha256)s, %(provider)s);

-- name: new_nonce
SELECT authority.new_nonce(%(book)s, %(provider)s, %(at)s);

-- name: read_id_token
SELECT issuer, subject, authority.to_base64url(nonce) FROM authority.read_id_token(%(book)s, %(provider)s, %(token)s, %(access_token)s, %(at)s);

-- name: person_of_identity
SELECT authority.person_of_identity(%(book)s, %(issuer)s, %(subject)s);

-- name: open_session_by_provider
SELECT authority.open_session_by_provider(%(book)s, %(event)s, %(provider)s, %(token)s, %(access_token)s, %(session)s,
                                          %(token_sha256)s);

-- name: read_logout_token
SELECT issuer, subject, encode(token_id, 'hex') FROM authority.read_logout_token(%(book)s, %(provider)s, %(token)s, %(at)s);

-- name: end_sessions_by_provider
SELECT authority.end_sessions_by_provider(%(book)s, %(event)s, %(provider)s, %(token)s);

-- name: identities
SELECT person_id, provider, issuer, subject, proposal_id, bound, bound_at, used_at, released FROM authority.identity
 WHERE book_id = %(book)s AND (%(person)s::text IS NULL OR person_id = %(person)s) ORDER BY bound DESC;

-- name: bind_identity
SELECT authority.bind_identity(%(book)s, %(event)s, %(proposal)s);

-- name: release_identity
SELECT authority.release_identity(%(book)s, %(event)s, %(token_sha256)s, %(provider)s, %(person)s);
