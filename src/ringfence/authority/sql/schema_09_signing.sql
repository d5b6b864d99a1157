-- authority, clients: programs that sign their requests.
--
-- A client has public keys, each with scopes of its own and an end. The database cannot check an Ed25519 signature; that
-- is the core's part, as it is the core's part to say which token came with a request. The database insists on what must
-- hold over several cores and over time: whose key it is, that it still is one, and that no request is taken twice.

-- `key_id` is what a request calls the key: book/client/fingerprint, so that a request for one book is none for another.
-- The fingerprint is the first 16 hexadecimal digits of the key's SHA-256. A key that was revoked never comes back.
CREATE TABLE authority.client_key (
    book_id     integer     NOT NULL,
    key_id      text        NOT NULL,
    client_id   text        NOT NULL,
    public_key  bytea       NOT NULL,
    scopes      text[]      NOT NULL,
    expires_at  timestamptz NOT NULL,
    added       bigint      NOT NULL,
    revoked     bigint,
    admitted    bigint,
    CONSTRAINT client_key_is_unique PRIMARY KEY (book_id, key_id),
    CONSTRAINT client_key_is_a_key_already UNIQUE (book_id, public_key),
    CONSTRAINT client_key_is_of_a_client FOREIGN KEY (book_id, client_id) REFERENCES authority.client,
    CONSTRAINT client_key_is_32_bytes CHECK (length(public_key) = 32),
    CONSTRAINT client_key_ends_after_it_began CHECK (revoked > added),
    CONSTRAINT client_key_is_admitted_after_it_began CHECK (admitted > added)
);
CREATE INDEX client_key_client ON authority.client_key (book_id, client_id);

-- The requests of the last minutes, each by the SHA-256 of its key's name and its nonce. The same hash is what the maker
-- of a proposal is found by.
CREATE TABLE authority.signed_request (
    book_id         integer     NOT NULL,
    request_sha256  bytea       NOT NULL,
    key_id          text        NOT NULL,
    created         timestamptz NOT NULL,
    CONSTRAINT signed_request_is_taken_once PRIMARY KEY (book_id, request_sha256),
    CONSTRAINT signed_request_is_by_a_key FOREIGN KEY (book_id, key_id) REFERENCES authority.client_key
);
CREATE INDEX signed_request_age ON authority.signed_request (book_id, created);

CREATE FUNCTION authority.request_sha256(key_id text, nonce text) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to('ringfence request v1' || E'\n' || key_id || E'\n' || nonce, 'UTF8'));
$$;

-- The keys of these names that are keys at a time, and for how many seconds a signature is good. What a key reaches, its
-- client must reach too. `ended`: it has expired.
CREATE FUNCTION authority.keys_of(book integer, key_ids text[], at timestamptz)
RETURNS TABLE (key_id text, client_id text, public_key bytea, scopes text[], ended boolean, good_seconds integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT k.key_id, k.client_id, k.public_key,
           ARRAY(SELECT scope FROM unnest(k.scopes) scope WHERE scope = ANY (c.scopes) ORDER BY scope), k.expires_at <= at,
           l.signature_seconds
      FROM authority.client_key k JOIN authority.client c USING (book_id, client_id), authority.door_limits(book) l
     WHERE k.book_id = book AND k.key_id = ANY (keys_of.key_ids) AND k.revoked IS NULL AND c.active;
$$;

-- Takes signed requests and gives the hashes of those that were not taken before. One that is older than any window may be
-- is never taken, so that what is forgotten after twice that time cannot be said again. The order of hashes is the order
-- of locks.
CREATE FUNCTION authority.take_requests(book integer, key_ids text[], nonces text[], created timestamptz[], at timestamptz)
RETURNS SETOF bytea LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    DELETE FROM authority.signed_request r
     WHERE r.book_id = book AND r.request_sha256 IN (
        SELECT o.request_sha256 FROM authority.signed_request o
         WHERE o.book_id = book AND o.created < at - interval '30 minutes' LIMIT 1000 FOR UPDATE SKIP LOCKED);
    RETURN QUERY
    INSERT INTO authority.signed_request AS r (book_id, request_sha256, key_id, created)
    SELECT book, authority.request_sha256(asked.key_id, asked.nonce), asked.key_id, asked.created
      FROM unnest(key_ids, nonces, take_requests.created) AS asked (key_id, nonce, created)
     WHERE asked.created BETWEEN at - interval '15 minutes' AND at + interval '1 minute'
     ORDER BY 2
    ON CONFLICT DO NOTHING
    RETURNING r.request_sha256;
END $$;

-- Whose request this is: of a key and a client that still are.
CREATE FUNCTION authority.client_of_request(book integer, request_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT k.client_id FROM authority.signed_request r
      JOIN authority.client_key k USING (book_id, key_id) JOIN authority.client c USING (book_id, client_id)
     WHERE r.book_id = book AND r.request_sha256 = client_of_request.request_sha256 AND k.revoked IS NULL AND c.active
       AND r.created > at - interval '30 minutes';
$$;

-- A security administrator adds a key for a program that is known already, for two years at most.
CREATE FUNCTION authority.add_client_key(book integer, event uuid, token_sha256 bytea, client text, public_key bytea,
                                         scopes text[], expires_at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1030);
    who  text   := authority.require_administrator(book, add_client_key.token_sha256, now.at);
    name text   := (SELECT b.name FROM ledger.book b WHERE b.book_id = book) || '/' || client || '/'
                   || left(encode(sha256(public_key), 'hex'), 16);
    has  text[];
BEGIN
    SELECT c.scopes INTO has FROM authority.client c WHERE c.book_id = book AND c.client_id = client AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_must_exist', client);
    ELSIF NOT add_client_key.scopes <@ has OR cardinality(add_client_key.scopes) = 0 THEN
        PERFORM authority.refuse('client_key_reaches_what_its_client_does');
    ELSIF add_client_key.expires_at <= now.at OR add_client_key.expires_at > now.at + interval '2 years' THEN
        PERFORM authority.refuse('client_key_must_end_within_two_years');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', 'client:' || client, 'change', 'client key added', 'key', name,
        'public_key', encode(public_key, 'hex'), 'scopes', to_jsonb(add_client_key.scopes), 'by', who));
    INSERT INTO authority.client_key (book_id, key_id, client_id, public_key, scopes, expires_at, added)
    VALUES (book, name, client, add_client_key.public_key, add_client_key.scopes, add_client_key.expires_at, now.sequence);
END $$;

CREATE FUNCTION authority.revoke_client_key(book integer, event uuid, token_sha256 bytea, key text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1030);
    who    text   := authority.require_administrator(book, revoke_client_key.token_sha256, now.at);
    client text;
BEGIN
    UPDATE authority.client_key k SET revoked = now.sequence
     WHERE k.book_id = book AND k.key_id = key AND k.revoked IS NULL RETURNING k.client_id INTO client;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_key_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', 'client:' || client, 'change', 'client key revoked',
                                                            'key', key, 'by', who));
END $$;

-- From now on a program signs (its token opens nothing), or may do either.
CREATE FUNCTION authority.set_signed_only(book integer, event uuid, token_sha256 bytea, client text, signed_only boolean)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, set_signed_only.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', 'client:' || client, 'change', 'client signing',
                                                            'signed_only', set_signed_only.signed_only, 'by', who));
    UPDATE authority.client c SET signed_only = set_signed_only.signed_only
     WHERE c.book_id = book AND c.client_id = client AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_must_exist', client);
    END IF;
END $$;

GRANT SELECT ON authority.client_key TO ringfence_core, ringfence_gateway, ringfence_reader, ringfence_auditor;
GRANT SELECT (signed_only) ON authority.client TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.request_sha256, authority.keys_of, authority.take_requests, authority.client_of_request,
    authority.add_client_key, authority.revoke_client_key, authority.set_signed_only FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.keys_of, authority.take_requests, authority.add_client_key,
    authority.revoke_client_key, authority.set_signed_only TO ringfence_core;
