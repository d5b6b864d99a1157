-- authority, providers: single sign-on by OpenID Connect, whose ID tokens are verified here.
--
-- A person may be bound to a subject of an identity provider, and then signs in with what that provider signed about it.
-- PostgreSQL verifies the signature itself, by keys that several people have approved, so that a core that has been taken
-- opens no session by saying that a token fits. Such a session approves nothing by itself: each of its approvals takes a
-- passkey (authority.decide).

CREATE TABLE authority.provider (
    book_id        integer NOT NULL REFERENCES ledger.book,
    provider       text    NOT NULL,
    issuer         text    NOT NULL,
    client_id      text    NOT NULL,
    subject_claim  text    NOT NULL,
    acr            text[]  NOT NULL,
    registered     bigint  NOT NULL,
    removed        bigint,
    CONSTRAINT provider_is_one_a_name PRIMARY KEY (book_id, provider),
    CONSTRAINT provider_must_be_a_word CHECK (provider ~ '^[a-z][a-z0-9-]{0,31}$'),
    CONSTRAINT provider_issuer_must_be_https
        CHECK (length(issuer) <= 200 AND issuer ~ '^(https://[^ ?#]+|http://(127\.0\.0\.1|localhost)(:[0-9]+)?(/[^ ?#]*)?)$'),
    CONSTRAINT provider_has_a_client CHECK (length(client_id) BETWEEN 1 AND 200),
    CONSTRAINT provider_subject_is_a_claim CHECK (subject_claim ~ '^[a-z][a-z_]{1,31}$')
);

-- A key of a provider from one row of the journal to another, by its thumbprint (RFC 7638): of ES256 the point (x, y), of
-- RS256 the modulus to the exponent 65537.
CREATE TABLE authority.provider_key (
    book_id     integer NOT NULL,
    provider    text    NOT NULL,
    thumbprint  text    NOT NULL,
    kid         text    NOT NULL,
    alg         text    NOT NULL,
    public_key  bytea   NOT NULL,
    registered  bigint  NOT NULL,
    retired     bigint,
    CONSTRAINT provider_key_is_registered_once PRIMARY KEY (book_id, provider, thumbprint, registered),
    CONSTRAINT provider_key_is_of_a_provider FOREIGN KEY (book_id, provider) REFERENCES authority.provider,
    CONSTRAINT provider_key_is_usable CHECK (length(kid) BETWEEN 1 AND 200 AND
        CASE alg WHEN 'ES256' THEN length(public_key) = 64
                 WHEN 'RS256' THEN length(public_key) BETWEEN 256 AND 512 AND get_byte(public_key, 0) >= 128
                 ELSE false END),
    CONSTRAINT provider_key_ends_after_it_began CHECK (retired >= registered)
);

-- Whose subject at which issuer: bound by the person's own proposal, which somebody else approved.
CREATE TABLE authority.identity (
    book_id      integer     NOT NULL,
    issuer       text        NOT NULL,
    subject      text        NOT NULL,
    person_id    text        NOT NULL,
    provider     text        NOT NULL,
    proposal_id  uuid        NOT NULL,
    bound        bigint      NOT NULL,
    bound_at     timestamptz NOT NULL,
    used_at      timestamptz,
    released     bigint,
    CONSTRAINT identity_is_bound_once PRIMARY KEY (book_id, issuer, subject, bound),
    CONSTRAINT identity_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT identity_is_at_a_provider FOREIGN KEY (book_id, provider) REFERENCES authority.provider,
    CONSTRAINT identity_has_a_short_subject CHECK (length(subject) BETWEEN 1 AND 255),
    CONSTRAINT identity_ends_after_it_began CHECK (released >= bound)
);
CREATE UNIQUE INDEX identity_is_bound_already ON authority.identity (book_id, issuer, subject) WHERE released IS NULL;
CREATE UNIQUE INDEX person_is_bound_there_already ON authority.identity (book_id, issuer, person_id)
    WHERE released IS NULL;

-- Of an identity only its last use moves, and its end comes once.
CREATE FUNCTION authority.guard_identity() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['used_at', 'released'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['used_at', 'released']
       OR (OLD.released IS NOT NULL AND NEW.released IS DISTINCT FROM OLD.released) THEN
        RAISE EXCEPTION 'identity keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER identity_moves_forward BEFORE UPDATE ON authority.identity
    FOR EACH ROW EXECUTE FUNCTION authority.guard_identity();
CREATE TRIGGER identity_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.identity
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- Whether a signature is that of an RSA key with exponent 65537 over a message: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017,
-- 8.2.2). What was signed is put together and compared whole, so that nothing is parsed.
CREATE FUNCTION authority.rs256_verifies(modulus bytea, message bytea, signature bytea) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    n      CONSTANT numeric := authority.number_of(modulus);
    s      CONSTANT numeric := authority.number_of(signature);
    raised numeric := s;
BEGIN
    IF length(signature) IS DISTINCT FROM length(modulus) OR s >= n THEN
        RETURN false;
    END IF;
    FOR i IN 1 .. 16 LOOP
        raised := raised * raised % n;
    END LOOP;
    RETURN raised * s % n = authority.number_of(
        '\x0001' || decode(repeat('ff', length(modulus) - 54), 'hex') || '\x00'
        || '\x3031300d060960864801650304020105000420' || sha256(message));
END $$;

-- An ECDSA signature as JOSE writes it (r and s of 32 bytes each; RFC 7518, 3.4), in DER; null if it is none.
CREATE FUNCTION authority.der_of_jose(signature bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    whole bytea := '';
    part  bytea;
BEGIN
    IF length(signature) IS DISTINCT FROM 64 THEN
        RETURN NULL;
    END IF;
    FOR place IN 0 .. 1 LOOP
        part := substr(signature, 1 + 32 * place, 32);
        WHILE length(part) > 1 AND get_byte(part, 0) = 0 LOOP
            part := substr(part, 2);
        END LOOP;
        IF get_byte(part, 0) > 127 THEN
            part := '\x00' || part;
        END IF;
        whole := whole || '\x02' || set_byte('\x00', 0, length(part)) || part;
    END LOOP;
    RETURN '\x30' || set_byte('\x00', 0, length(whole)) || whole;
END $$;

CREATE FUNCTION authority.to_base64url(bytes bytea) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT rtrim(translate(encode(bytes, 'base64'), E'+/\n', '-_'), '=');
$$;

-- The thumbprint of a key (RFC 7638) that is given as {"alg", "kid", "x", "y"} or {"alg", "kid", "n"}.
CREATE FUNCTION authority.thumbprint_of(key jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT authority.to_base64url(sha256(convert_to(CASE key->>'alg'
        WHEN 'ES256' THEN format('{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}', key->>'x', key->>'y')
        ELSE format('{"e":"AQAB","kty":"RSA","n":"%s"}', key->>'n') END, 'UTF8')));
$$;

-- A provider and its keys are what a complete proposal says; keys that it does not name are retired. What the system
-- itself proposes, because the provider shows other keys, may change nothing but the keys.
CREATE FUNCTION authority.set_provider(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1034);
    facts jsonb  := authority.carry_out(book, event, 1034, proposal, 'provider_change')->'facts';
    known authority.provider;
    wanted authority.provider;
    keys  jsonb  := authority.read_client_data(convert_to(facts->>'keys', 'UTF8'));
    marks text[];
BEGIN
    wanted.issuer := facts->>'issuer';
    wanted.client_id := facts->>'client_id';
    wanted.subject_claim := facts->>'subject_claim';
    wanted.acr := CASE facts->>'acr' WHEN 'none' THEN '{}' ELSE string_to_array(facts->>'acr', ' ') END;
    SELECT * INTO known FROM authority.provider p WHERE p.book_id = book AND p.provider = facts->>'provider';
    IF 'system' = (SELECT p.maker FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal)
       AND (known.removed IS NOT NULL OR (known.issuer, known.client_id, known.subject_claim, known.acr)
            IS DISTINCT FROM (wanted.issuer, wanted.client_id, wanted.subject_claim, wanted.acr)) THEN
        PERFORM authority.refuse('maker_may_not_make_this');
    ELSIF keys IS NULL OR jsonb_typeof(keys) <> 'array' OR jsonb_array_length(keys) NOT BETWEEN 1 AND 16 THEN
        PERFORM authority.refuse('provider_key_is_usable');
    END IF;
    SELECT array_agg(authority.thumbprint_of(key) ORDER BY place) INTO marks
      FROM jsonb_array_elements(keys) WITH ORDINALITY listed (key, place);
    IF array_to_string(marks, ' ') IS DISTINCT FROM facts->>'thumbprints' THEN
        PERFORM authority.refuse('terms_are_not_valid', 'thumbprints');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'provider', facts->'provider', 'issuer', facts->'issuer', 'client_id', facts->'client_id',
        'keys', to_jsonb(marks), 'proposal', proposal));
    INSERT INTO authority.provider (book_id, provider, issuer, client_id, subject_claim, acr, registered)
    VALUES (book, facts->>'provider', wanted.issuer, wanted.client_id, wanted.subject_claim, wanted.acr, now.sequence)
    ON CONFLICT ON CONSTRAINT provider_is_one_a_name DO UPDATE
       SET issuer = excluded.issuer, client_id = excluded.client_id, subject_claim = excluded.subject_claim,
           acr = excluded.acr, registered = excluded.registered, removed = NULL;
    UPDATE authority.provider_key k SET retired = now.sequence
     WHERE k.book_id = book AND k.provider = facts->>'provider' AND k.retired IS NULL;
    INSERT INTO authority.provider_key (book_id, provider, thumbprint, kid, alg, public_key, registered)
    SELECT book, facts->>'provider', authority.thumbprint_of(key), coalesce(key->>'kid', ''), coalesce(key->>'alg', ''),
           coalesce(CASE key->>'alg'
               WHEN 'ES256' THEN authority.from_base64url(key->>'x') || authority.from_base64url(key->>'y')
               ELSE authority.from_base64url(key->>'n') END, ''), now.sequence
      FROM jsonb_array_elements(keys) key;
END $$;

-- A security administrator shuts a provider out at once, alone: its keys, and the sessions of everybody bound there that
-- were opened by it.
CREATE FUNCTION authority.remove_provider(book integer, event uuid, token_sha256 bytea, provider text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1044);
    who  text   := authority.require_administrator(book, remove_provider.token_sha256, now.at);
    gone text;
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('provider', remove_provider.provider, 'by', who));
    UPDATE authority.provider p SET removed = now.sequence
     WHERE p.book_id = book AND p.provider = remove_provider.provider AND p.removed IS NULL RETURNING p.issuer INTO gone;
    IF NOT FOUND THEN
        PERFORM authority.refuse('provider_must_exist');
    END IF;
    UPDATE authority.provider_key k SET retired = now.sequence
     WHERE k.book_id = book AND k.provider = remove_provider.provider AND k.retired IS NULL;
    UPDATE authority.session s SET revoked_at = now.at
      FROM authority.identity i
     WHERE s.book_id = book AND s.opened_by = 'provider' AND s.revoked_at IS NULL
       AND i.book_id = book AND i.issuer = gone AND i.person_id = s.person_id AND i.released IS NULL;
END $$;

-- What a request to a provider carries and its token brings back (nonce; OpenID Connect Core 1.0, 15.5.2): the time and
-- chance, sealed with the book's secret for this provider. So nothing is written for somebody who only sets out, and what
-- one provider was asked is no answer of another.
CREATE FUNCTION authority.nonce_seal(book integer, provider text, drawn bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT substr(sha256(d.secret || convert_to('ringfence nonce v1 ' || provider, 'UTF8') || drawn || d.secret), 1, 16)
      FROM authority.decoy d WHERE d.book_id = book;
$$;

CREATE FUNCTION authority.new_nonce(book integer, provider text, at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    drawn bytea := int8send((extract(epoch FROM at) * 1000000)::bigint) || uuid_send(gen_random_uuid());
BEGIN
    RETURN authority.to_base64url(drawn || authority.nonce_seal(book, provider, drawn));
END $$;

-- Reads what a provider signed for us (a JWT: OpenID Connect Core 1.0, 3.1.3.7): the provider as people approved it, the
-- header and the claims; else refused by the name of the first rule that is broken. The key's own algorithm counts: what
-- the token says of itself has to be that, so that `none` and a secret key's algorithms are nothing here (RFC 8725, 3.1).
-- Clocks may differ by a minute.
CREATE FUNCTION authority.read_signed_token(book integer, provider text, token text, at timestamptz,
                                            OUT asked authority.provider, OUT header jsonb, OUT claims jsonb)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    key    authority.provider_key;
    parts  text[]  := string_to_array(token, '.');
    signed bytea   := convert_to(parts[1] || '.' || parts[2], 'UTF8');
    sealed bytea   := authority.from_base64url(parts[3]);
    second numeric := extract(epoch FROM at);
BEGIN
    header := authority.read_client_data(authority.from_base64url(parts[1]));
    claims := authority.read_client_data(authority.from_base64url(parts[2]));
    SELECT * INTO asked FROM authority.provider p
     WHERE p.book_id = book AND p.provider = read_signed_token.provider AND p.removed IS NULL;
    IF NOT FOUND THEN
        PERFORM authority.refuse('provider_must_exist');
    ELSIF coalesce(length(token), 0) NOT BETWEEN 1 AND 16384 OR token !~ '^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*$'
          OR jsonb_typeof(header) IS DISTINCT FROM 'object' OR jsonb_typeof(claims) IS DISTINCT FROM 'object'
          OR header ? 'crit' THEN
        PERFORM authority.refuse('id_token_is_not_valid', 'form');
    ELSIF coalesce(header->>'alg', '') NOT IN ('ES256', 'RS256') THEN
        PERFORM authority.refuse('id_token_algorithm_is_not_allowed');
    END IF;
    SELECT k.* INTO key FROM authority.provider_key k
     WHERE k.book_id = book AND k.provider = read_signed_token.provider AND k.retired IS NULL
       AND (k.kid = header->>'kid' OR (NOT header ? 'kid' AND 1 = (
            SELECT count(*) FROM authority.provider_key o
             WHERE o.book_id = book AND o.provider = read_signed_token.provider AND o.retired IS NULL)));
    IF NOT FOUND THEN
        PERFORM authority.refuse('provider_key_is_not_known');
    ELSIF key.alg <> header->>'alg' THEN
        PERFORM authority.refuse('id_token_algorithm_is_not_allowed');
    ELSIF NOT coalesce(CASE key.alg
            WHEN 'ES256' THEN authority.es256_verifies(key.public_key, signed, authority.der_of_jose(sealed))
            ELSE authority.rs256_verifies(key.public_key, signed, sealed) END, false) THEN
        PERFORM authority.refuse('id_token_signature_does_not_verify');
    ELSIF claims->>'iss' IS DISTINCT FROM asked.issuer THEN
        PERFORM authority.refuse('id_token_is_of_another_issuer');
    ELSIF NOT (claims->'aud' = to_jsonb(asked.client_id) OR (jsonb_typeof(claims->'aud') = 'array'
               AND claims->'aud' @> to_jsonb(asked.client_id)
               AND (jsonb_array_length(claims->'aud') = 1 OR claims ? 'azp')))
          OR NOT claims ? 'aud' OR (claims ? 'azp' AND claims->'azp' <> to_jsonb(asked.client_id)) THEN
        PERFORM authority.refuse('id_token_is_for_another_audience');
    ELSIF jsonb_typeof(claims->'exp') IS DISTINCT FROM 'number' OR jsonb_typeof(claims->'iat') IS DISTINCT FROM 'number'
          OR jsonb_typeof(coalesce(claims->'nbf', '0')) <> 'number'
          OR (claims->>'exp')::numeric <= second - 60 OR (claims->>'iat')::numeric > second + 60
          OR (claims->>'iat')::numeric < second - 600 OR (claims->>'nbf')::numeric > second + 60 THEN
        PERFORM authority.refuse('id_token_is_out_of_date');
    END IF;
END $$;

-- The name in a token's claims by which people are bound.
CREATE FUNCTION authority.subject_of(asked authority.provider, claims jsonb) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    IF jsonb_typeof(claims->asked.subject_claim) IS DISTINCT FROM 'string'
       OR length(claims->>asked.subject_claim) NOT BETWEEN 1 AND 255 THEN
        PERFORM authority.refuse('id_token_is_not_valid', 'subject');
    END IF;
    RETURN claims->>asked.subject_claim;
END $$;

-- Reads an ID token of a provider: whose it is, and its nonce.
CREATE FUNCTION authority.read_id_token(book integer, provider text, token text, access_token text, at timestamptz,
                                        OUT issuer text, OUT subject text, OUT nonce bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    read   record := authority.read_signed_token(book, provider, token, at);
    asked  authority.provider := read.asked;
    claims jsonb   := read.claims;
    second numeric := extract(epoch FROM at);
BEGIN
    IF claims ? 'at_hash' AND claims->>'at_hash' IS DISTINCT FROM
          authority.to_base64url(substr(sha256(convert_to(access_token, 'UTF8')), 1, 16)) THEN
        PERFORM authority.refuse('id_token_is_not_valid', 'at_hash');
    ELSIF cardinality(asked.acr) > 0 AND coalesce(claims->>'acr', '') <> ALL (asked.acr) THEN
        PERFORM authority.refuse('provider_asked_too_little');
    END IF;
    issuer := asked.issuer;
    subject := authority.subject_of(asked, claims);
    nonce := authority.from_base64url(claims->>'nonce');
    IF nonce IS NULL OR length(nonce) <> 40
       OR authority.nonce_seal(book, provider, substr(nonce, 1, 24)) IS DISTINCT FROM substr(nonce, 25) THEN
        PERFORM authority.refuse('nonce_is_not_ours');
    END IF;
    IF abs(second - 300 - authority.number_of(substr(nonce, 1, 8)) / 1000000) > 360 THEN
        PERFORM authority.refuse('nonce_is_too_old');
    END IF;
END $$;

-- Reads a logout token of a provider (OpenID Connect Back-Channel Logout 1.0, 2.4 and 2.6): whose sessions end. It says the
-- event of a logout, has an id of its own and no nonce, so that no ID token is one; and a header that names another kind of
-- token is none either. Sessions are ended by the subject: a token that names only a session of the provider's (`sid`) is
-- refused for want of one.
CREATE FUNCTION authority.read_logout_token(book integer, provider text, token text, at timestamptz,
                                            OUT issuer text, OUT subject text, OUT token_id bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    read   record := authority.read_signed_token(book, provider, token, at);
    asked  authority.provider := read.asked;
    header jsonb  := read.header;
    claims jsonb  := read.claims;
BEGIN
    IF lower(coalesce(header->>'typ', 'logout+jwt')) NOT IN ('logout+jwt', 'jwt')
       OR jsonb_typeof(claims->'events'->'http://schemas.openid.net/event/backchannel-logout') IS DISTINCT FROM 'object'
       OR claims ? 'nonce' THEN
        PERFORM authority.refuse('id_token_is_not_valid', 'no logout token');
    ELSIF jsonb_typeof(claims->'jti') IS DISTINCT FROM 'string' OR length(claims->>'jti') NOT BETWEEN 1 AND 255 THEN
        PERFORM authority.refuse('id_token_is_not_valid', 'jti');
    END IF;
    issuer := asked.issuer;
    subject := authority.subject_of(asked, claims);
    token_id := sha256(convert_to('ringfence logout v1' || E'\n' || asked.issuer || E'\n' || (claims->>'jti'), 'UTF8'));
END $$;

-- The core is told, before it drafts an event, whose a token is; opening a session verifies it once more.
CREATE FUNCTION authority.person_of_identity(book integer, issuer text, subject text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT i.person_id FROM authority.identity i JOIN authority.person p USING (book_id, person_id)
     WHERE i.book_id = book AND i.issuer = person_of_identity.issuer AND i.subject = person_of_identity.subject
       AND i.released IS NULL AND p.active;
$$;

-- Opens a session by an ID token of a provider. Its nonce is one of ours, and is spent.
CREATE FUNCTION authority.open_session_by_provider(book integer, event uuid, provider text, token text, access_token text,
                                                   session uuid, token_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1031);
    found record := authority.read_id_token(book, provider, token, access_token, now.at);
    who   text   := authority.person_of_identity(book, found.issuer, found.subject);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('identity_is_not_bound');
    END IF;
    DELETE FROM authority.spent_challenge c WHERE c.book_id = book AND c.at < now.at - interval '1 hour';
    INSERT INTO authority.spent_challenge (book_id, challenge, at) VALUES (book, found.nonce, now.at);
    PERFORM authority.must_say(now.said, jsonb_build_object('person', who, 'session', session, 'by', 'provider',
                                                            'provider', open_session_by_provider.provider));
    UPDATE authority.identity i SET used_at = now.at
     WHERE i.book_id = book AND i.issuer = found.issuer AND i.subject = found.subject AND i.released IS NULL;
    INSERT INTO authority.session (book_id, session_id, token_sha256, person_id, opened_by, opened_at, seen_at, ends_at)
    VALUES (book, session, token_sha256, who, 'provider', now.at, now.at, now.at + interval '12 hours');
END $$;

-- A provider says that somebody has signed out there: every session of that person which it opened ends here. The token is
-- verified once more, and counts once.
CREATE FUNCTION authority.end_sessions_by_provider(book integer, event uuid, provider text, token text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1200);
    found record := authority.read_logout_token(book, provider, token, now.at);
    who   text   := authority.person_of_identity(book, found.issuer, found.subject);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('identity_is_not_bound');
    END IF;
    DELETE FROM authority.spent_challenge c WHERE c.book_id = book AND c.at < now.at - interval '1 hour';
    INSERT INTO authority.spent_challenge (book_id, challenge, at) VALUES (book, found.token_id, now.at);
    PERFORM authority.must_say(now.said, jsonb_build_object('person', who, 'provider', end_sessions_by_provider.provider,
                                                            'token_sha256', encode(found.token_id, 'hex')));
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.person_id = who AND s.opened_by = 'provider' AND s.revoked_at IS NULL;
END $$;

-- What the journal says of a subject, which may be an address of mail: keyed by the random nonce of the proposal that
-- bound it, which stands beside the journal, so that nobody who reads the journal can try addresses.
CREATE FUNCTION authority.subject_sha256(nonce text, issuer text, subject text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT encode(sha256(convert_to('ringfence subject v2' || E'\n' || nonce || E'\n' || issuer || E'\n' || subject,
                                    'UTF8')), 'hex');
$$;

-- A person is bound to a subject as a complete proposal says: one's own, which somebody else has approved.
CREATE FUNCTION authority.bind_identity(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1035);
    terms jsonb  := authority.carry_out(book, event, 1035, proposal, 'identity_binding');
    facts jsonb  := terms->'facts';
    maker text   := (SELECT p.maker FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal);
BEGIN
    IF maker IS DISTINCT FROM facts->>'person' THEN
        PERFORM authority.refuse('identity_is_of_its_maker');
    ELSIF NOT EXISTS (SELECT FROM authority.provider p WHERE p.book_id = book AND p.provider = facts->>'provider'
                         AND p.issuer = facts->>'issuer' AND p.removed IS NULL) THEN
        PERFORM authority.refuse('provider_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', maker, 'provider', facts->'provider', 'issuer', facts->'issuer',
        'subject_sha256', authority.subject_sha256(terms->>'nonce', facts->>'issuer', facts->>'subject'),
        'proposal', proposal));
    INSERT INTO authority.identity (book_id, issuer, subject, person_id, provider, proposal_id, bound, bound_at)
    VALUES (book, facts->>'issuer', facts->>'subject', maker, facts->>'provider', proposal, now.sequence, now.at);
    PERFORM authority.tell(book, maker, 'identity_bound', now.sequence, now.at);
END $$;

-- A person gives up an own identity, or a security administrator takes anybody's, alone and at once, with the sessions
-- that it opened.
CREATE FUNCTION authority.release_identity(book integer, event uuid, token_sha256 bytea, provider text, person text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1043);
    who  text   := authority.person_of_session(book, release_identity.token_sha256, now.at);
    gone record;
    drew text;
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF who <> person THEN
        PERFORM authority.require_administrator(book, release_identity.token_sha256, now.at);
    END IF;
    UPDATE authority.identity i SET released = now.sequence
     WHERE i.book_id = book AND i.provider = release_identity.provider AND i.person_id = person AND i.released IS NULL
    RETURNING i.issuer, i.subject, i.proposal_id INTO gone;
    IF NOT FOUND THEN
        PERFORM authority.refuse('identity_must_exist');
    END IF;
    SELECT convert_from(p.payload, 'UTF8')::jsonb->>'nonce' INTO drew FROM authority.proposal p
     WHERE p.book_id = book AND p.proposal_id = gone.proposal_id;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'provider', release_identity.provider,
        'subject_sha256', authority.subject_sha256(drew, gone.issuer, gone.subject), 'by', who));
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.person_id = person AND s.opened_by = 'provider' AND s.revoked_at IS NULL
       AND s.token_sha256 <> release_identity.token_sha256;
    PERFORM authority.tell(book, person, 'identity_released', now.sequence, now.at);
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.provider, authority.provider_key TO ringfence_core, ringfence_reader, ringfence_auditor;
GRANT SELECT ON authority.identity TO ringfence_core, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.guard_identity, authority.rs256_verifies, authority.der_of_jose, authority.to_base64url,
    authority.thumbprint_of, authority.set_provider, authority.remove_provider, authority.nonce_seal, authority.new_nonce,
    authority.read_signed_token, authority.subject_of, authority.read_id_token, authority.read_logout_token,
    authority.person_of_identity, authority.open_session_by_provider, authority.end_sessions_by_provider,
    authority.subject_sha256, authority.bind_identity, authority.release_identity FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.set_provider, authority.remove_provider, authority.new_nonce, authority.read_id_token,
    authority.read_logout_token, authority.person_of_identity, authority.open_session_by_provider,
    authority.end_sessions_by_provider, authority.bind_identity, authority.release_identity, authority.thumbprint_of, authority.to_base64url
   TO ringfence_core;
