-- What the linter and a review of access look at.

-- name: staff
-- Everybody active with the roles held now, when they came and when they were last here.
SELECT p.person_id,
       ARRAY(SELECT r.role FROM authority.person_role r
              WHERE r.book_id = p.book_id AND r.person_id = p.person_id AND r.withdrawn IS NULL ORDER BY r.role) AS roles,
       (SELECT j.posted_at FROM ledger.journal j WHERE j.book_id = p.book_id AND j.sequence = p.added) AS added_at,
       (SELECT max(s.seen_at) FROM authority.session s
         WHERE s.book_id = p.book_id AND s.person_id = p.person_id) AS seen_at,
       EXISTS (SELECT FROM authority.passkey k
                WHERE k.book_id = p.book_id AND k.person_id = p.person_id AND k.revoked IS NULL) AS has_passkey
  FROM authority.person p WHERE p.book_id = %(book)s AND p.active
   AND NOT EXISTS (SELECT FROM authority.customer_login l WHERE l.book_id = p.book_id AND l.person_id = p.person_id)
 ORDER BY p.person_id;

-- name: active_keys
SELECT k.key_id, k.expires_at FROM authority.client_key k JOIN authority.client c USING (book_id, client_id)
 WHERE k.book_id = %(book)s AND k.revoked IS NULL AND c.active ORDER BY k.key_id;

-- name: reviews
SELECT sequence, person_id, at, findings, state_sha256 FROM authority.access_review
 WHERE book_id = %(book)s ORDER BY sequence DESC LIMIT %(limit)s;

-- name: record_access_review
SELECT authority.record_access_review(%(book)s, %(event)s, %(token_sha256)s, %(findings)s, %(state_sha256)s);

-- name: books_by_name
SELECT b.name FROM ledger.book b ORDER BY b.book_id;

-- Every login that serves books, with the roles that it can act in.
-- name: services
SELECT s.login::text, s.shared,
       ARRAY(SELECT b.name FROM ledger.book b WHERE b.book_id = ANY (s.books) ORDER BY b.book_id) AS books,
       ARRAY(SELECT role FROM unnest(ARRAY['core', 'gateway', 'notary', 'reader', 'auditor']) role
              WHERE pg_has_role(r.oid, 'ringfence_' || role, 'MEMBER')) AS roles
  FROM ledger.service s JOIN pg_roles r ON r.rolname = s.login ORDER BY s.login;
