-- authority, passkeys: passkeys, verified here.

-- A person signs in and approves by a key pair in the own device (W3C Web Authentication, level 3). PostgreSQL verifies
-- the signatures itself, so that a core that has been taken cannot speak for a person by saying that a signature fits.

CREATE FUNCTION authority.number_of(bytes bytea) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    found numeric := 0;
BEGIN
    FOR place IN 0 .. length(bytes) - 1 LOOP
        found := found * 256 + get_byte(bytes, place);
    END LOOP;
    RETURN found;
END $$;

-- The inverse of a number modulo a prime, by Euclid.
CREATE FUNCTION authority.inverse_of(number numeric, prime numeric) RETURNS numeric
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    rest     numeric := prime;
    next     numeric := number % prime;
    factor   numeric := 0;
    onward   numeric := 1;
    quotient numeric;
    kept     numeric;
BEGIN
    WHILE next > 0 LOOP
        quotient := div(rest, next);
        kept := next;
        next := rest - quotient * next;
        rest := kept;
        kept := onward;
        onward := factor - quotient * onward;
        factor := kept;
    END LOOP;
    RETURN (factor % prime + prime) % prime;
END $$;

-- r or s of an ECDSA signature in DER: the positive integer at `place`, in the fewest bytes; null if it is none.
CREATE FUNCTION authority.der_integer(der bytea, place integer) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    size integer;
BEGIN
    IF length(der) < place + 3 OR get_byte(der, place) <> 2 THEN
        RETURN NULL;
    END IF;
    size := get_byte(der, place + 1);
    IF size NOT BETWEEN 1 AND 33 OR length(der) < place + 2 + size OR get_byte(der, place + 2) > 127
       OR (size > 1 AND get_byte(der, place + 2) = 0 AND get_byte(der, place + 3) < 128) THEN
        RETURN NULL;
    END IF;
    RETURN substr(der, place + 3, size);
END $$;

-- Whether a signature is that of a P-256 key (64 bytes: x, y) over a message: ECDSA with SHA-256 (FIPS 186-5, 6.4.2),
-- the signature in DER. Both multiplications go side by side, in Jacobian coordinates; some 20 ms. Nothing here is
-- secret, so its time may tell what it likes.
CREATE FUNCTION authority.es256_verifies(point bytea, message bytea, signature bytea) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    p CONSTANT numeric := 115792089210356248762697446949407573530086143415290314195533631308867097853951;
    n CONSTANT numeric := 115792089210356248762697446949407573529996955224135760342422259061068512044369;
    b CONSTANT numeric := 41058363725152142129326129780047268409114441015993725554835256314039467401291;
    gx CONSTANT numeric := 48439561293906451759052585252797914202762949526041747995844080717082404635286;
    gy CONSTANT numeric := 36134250956749795798585127919587881956611106672985015071877198253568414405109;
    r_bytes bytea := authority.der_integer(signature, 2);
    s_bytes bytea := authority.der_integer(signature, 4 + length(r_bytes));
    qx numeric := authority.number_of(substr(point, 1, 32));
    qy numeric := authority.number_of(substr(point, 33, 32));
    tx numeric;  -- G + Q
    ty numeric;
    r  numeric;  s  numeric;  u  numeric;  v  numeric;  slope numeric;
    x  numeric := 0;  y  numeric := 1;  z  numeric := 0;  -- the sum so far; z = 0: nothing yet
    ax numeric;  ay numeric;
    c  numeric;  d  numeric;  e  numeric;  f  numeric;  h  numeric;
    digits integer[] := '{}';
    digit integer;
BEGIN
    IF s_bytes IS NULL OR length(point) <> 64 THEN
        RETURN false;
    ELSIF get_byte(signature, 0) <> 48 OR get_byte(signature, 1) <> length(signature) - 2
       OR length(signature) <> 6 + length(r_bytes) + length(s_bytes) THEN
        RETURN false;
    END IF;
    r := authority.number_of(r_bytes);
    s := authority.number_of(s_bytes);
    IF r = 0 OR r >= n OR s = 0 OR s >= n OR qx >= p OR qy >= p
       OR (qy * qy - (qx * qx % p * qx - 3 * qx + b)) % p <> 0 THEN
        RETURN false;
    END IF;
    s := authority.inverse_of(s, n);
    u := authority.number_of(sha256(message)) * s % n;
    v := r * s % n;
    FOR bit IN 1 .. 256 LOOP
        digits := ((u % 2) + 2 * (v % 2))::integer || digits;
        u := div(u, 2);
        v := div(v, 2);
    END LOOP;
    IF qx = gx THEN  -- of a key that is the generator or its opposite everybody has the private half
        RETURN false;
    END IF;
    slope := (qy - gy + p) * authority.inverse_of(qx - gx + p, p) % p;
    tx := (slope * slope - gx - qx + 2 * p) % p;
    ty := (slope * (gx - tx + p) - gy + p) % p;
    FOREACH digit IN ARRAY digits LOOP
        IF z <> 0 THEN  -- twice the sum
            c := z * z % p;
            d := y * y % p;
            e := x * d % p;
            f := 3 * (x - c) * (x + c) % p;
            h := y + z;
            z := (h * h - d - c) % p;
            x := (f * f - 8 * e) % p;
            y := (f * (4 * e - x) - 8 * d * d) % p;
        END IF;
        CONTINUE WHEN digit = 0;
        CASE digit
            WHEN 1 THEN ax := gx; ay := gy;
            WHEN 2 THEN ax := qx; ay := qy;
            ELSE ax := tx; ay := ty;
        END CASE;
        IF z = 0 THEN
            x := ax; y := ay; z := 1;
            CONTINUE;
        END IF;
        c := z * z % p;  -- and one more
        d := (ax * c - x) % p;
        e := (ay * c % p * z - y) % p;
        IF d = 0 THEN
            IF e <> 0 THEN
                z := 0;
                CONTINUE;
            END IF;
            c := 3 * (ax - 1) * (ax + 1) % p;  -- the sum is the point itself: twice that
            d := ay * ay % p;
            e := ax * d % p;
            z := 2 * ay % p;
            x := (c * c - 8 * e) % p;
            y := (c * (4 * e - x) - 8 * d * d) % p;
            CONTINUE;
        END IF;
        f := d * d % p;
        h := f * d % p;
        f := x * f % p;
        z := z * d % p;
        x := (e * e - h - 2 * f) % p;
        y := (e * (f - x) - y * h) % p;
    END LOOP;
    IF z = 0 THEN
        RETURN false;
    END IF;
    z := z * z % p;
    RETURN (x - r * z) % p = 0 OR (r + n < p AND (x - (r + n) * z) % p = 0);
END $$;

-- A key as it was enrolled: its public half and, raw, what the browser and the device said then. Only the counter moves
-- afterwards, and a revocation comes once.
CREATE TABLE authority.passkey (
    book_id             integer     NOT NULL,
    credential_id       bytea       NOT NULL,
    person_id           text        NOT NULL,
    label               text        NOT NULL,
    rp_id               text        NOT NULL,
    public_key          bytea       NOT NULL,
    aaguid              uuid        NOT NULL,
    client_data         bytea       NOT NULL,
    attestation_object  bytea       NOT NULL,
    proposal_id         uuid        NOT NULL,
    enrolled            bigint      NOT NULL,
    enrolled_at         timestamptz NOT NULL,
    approves_from       timestamptz NOT NULL,
    counter             bigint      NOT NULL,
    used_at             timestamptz,
    revoked             bigint,
    CONSTRAINT passkey_is_enrolled_already PRIMARY KEY (book_id, credential_id),
    CONSTRAINT passkey_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT passkey_has_a_short_id CHECK (length(credential_id) BETWEEN 16 AND 1023),
    CONSTRAINT passkey_has_a_short_label CHECK (length(label) BETWEEN 1 AND 60),
    CONSTRAINT passkey_waits_before_it_approves CHECK (approves_from >= enrolled_at),
    CONSTRAINT passkey_ends_after_it_began CHECK (revoked >= enrolled)
);
CREATE INDEX passkey_person ON authority.passkey (book_id, person_id);

CREATE FUNCTION authority.guard_passkey() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['counter', 'used_at', 'revoked'] IS DISTINCT FROM
       to_jsonb(OLD) - ARRAY['counter', 'used_at', 'revoked']
       OR NEW.counter < OLD.counter OR (OLD.revoked IS NOT NULL AND NEW.revoked IS DISTINCT FROM OLD.revoked) THEN
        RAISE EXCEPTION 'passkey keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER passkey_moves_forward BEFORE UPDATE ON authority.passkey
    FOR EACH ROW EXECUTE FUNCTION authority.guard_passkey();
CREATE TRIGGER passkey_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.passkey
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- Challenges that a sign-in has used, for as long as they could be used again.
CREATE TABLE authority.spent_challenge (
    book_id    integer     NOT NULL REFERENCES ledger.book,
    challenge  bytea       NOT NULL,
    at         timestamptz NOT NULL,
    CONSTRAINT challenge_was_used PRIMARY KEY (book_id, challenge)
);
CREATE INDEX spent_challenge_age ON authority.spent_challenge (book_id, at);

-- Under a challenge: its own time and chance, sealed with the book's secret at both ends. So nothing is written for
-- somebody who only looks at the sign-in page.
CREATE FUNCTION authority.seal_of(book integer, drawn bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT substr(sha256(d.secret || convert_to('ringfence challenge v1', 'UTF8') || drawn || d.secret), 1, 16)
      FROM authority.decoy d WHERE d.book_id = book;
$$;

CREATE FUNCTION authority.new_challenge(book integer, at timestamptz) RETURNS bytea
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    drawn bytea := int8send((extract(epoch FROM at) * 1000000)::bigint) || uuid_send(gen_random_uuid());
BEGIN
    RETURN drawn || authority.seal_of(book, drawn);
END $$;

-- Ours, and at most five minutes old; else refused by name.
CREATE FUNCTION authority.require_challenge(book integer, challenge bytea, at timestamptz) RETURNS void
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    drawn_at timestamptz;
BEGIN
    IF challenge IS NULL OR length(challenge) <> 40
       OR authority.seal_of(book, substr(challenge, 1, 24)) IS DISTINCT FROM substr(challenge, 25) THEN
        PERFORM authority.refuse('challenge_is_not_ours');
    END IF;
    drawn_at := timestamptz 'epoch'
                + interval '1 microsecond' * authority.number_of(substr(challenge, 1, 8))::double precision;
    IF at > drawn_at + interval '5 minutes' OR at < drawn_at - interval '1 minute' THEN
        PERFORM authority.refuse('challenge_is_too_old');
    END IF;
END $$;

CREATE FUNCTION authority.from_base64url(text text) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN decode(rpad(translate(text, '-_', '+/'), (length(text) + 3) / 4 * 4, '='), 'base64');
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN NULL;
END $$;

-- What a browser says that it did, as JSON; null if it says nothing.
CREATE FUNCTION authority.read_client_data(client_data bytea) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN convert_from(client_data, 'UTF8')::jsonb;
EXCEPTION WHEN invalid_text_representation OR character_not_in_repertoire OR untranslatable_character THEN
    RETURN NULL;
END $$;

-- Whether pages of an origin may use keys of a relying party: its own host or one beneath it, by https; `localhost` by
-- http as well, because nobody stands between.
CREATE FUNCTION authority.origin_fits(origin text, rp_id text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce((parts[1] = 'https' OR (parts[1] = 'http' AND rp_id = 'localhost'))
                    AND (parts[2] = rp_id OR right(parts[2], length(rp_id) + 1) = '.' || rp_id), false)
      FROM regexp_match(origin, '^(https?)://([a-z0-9.-]+)(:[0-9]{1,5})?$') parts;
$$;

-- A person used a key (Web Authentication, 7.2): the key, if everything fits a challenge; else refused by the name of the
-- first rule that is broken. The counter moves with it.
CREATE FUNCTION authority.use_passkey(book integer, credential bytea, client_data bytea, authenticator_data bytea,
                                      signature bytea, challenge bytea, at timestamptz) RETURNS authority.passkey
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    key     authority.passkey;
    said    jsonb := authority.read_client_data(client_data);
    counted bigint;
BEGIN
    SELECT k.* INTO key FROM authority.passkey k JOIN authority.person p USING (book_id, person_id)
     WHERE k.book_id = book AND k.credential_id = credential AND k.revoked IS NULL AND p.active
       FOR UPDATE OF k;
    IF NOT FOUND THEN
        PERFORM authority.refuse('passkey_is_not_known');
    ELSIF said->>'type' IS DISTINCT FROM 'webauthn.get' THEN
        PERFORM authority.refuse('assertion_is_not_valid', 'type');
    ELSIF challenge IS NULL OR authority.from_base64url(said->>'challenge') IS DISTINCT FROM challenge THEN
        PERFORM authority.refuse('challenge_does_not_fit');
    ELSIF NOT authority.origin_fits(said->>'origin', key.rp_id) THEN
        PERFORM authority.refuse('origin_is_not_ours');
    ELSIF coalesce(said->'crossOrigin', 'false') <> 'false' OR said ? 'topOrigin' THEN
        PERFORM authority.refuse('page_was_embedded');
    ELSIF coalesce(length(authenticator_data), 0) < 37
          OR substr(authenticator_data, 1, 32) <> sha256(convert_to(key.rp_id, 'UTF8')) THEN
        PERFORM authority.refuse('assertion_is_not_valid', 'relying party');
    ELSIF get_byte(authenticator_data, 32) & 5 <> 5 THEN
        PERFORM authority.refuse('user_was_not_verified');
    ELSIF NOT authority.es256_verifies(substr(key.public_key, 11, 32) || substr(key.public_key, 46, 32),
                                       authenticator_data || sha256(client_data), signature) THEN
        PERFORM authority.refuse('passkey_signature_does_not_verify');
    END IF;
    counted := authority.number_of(substr(authenticator_data, 34, 4));
    IF (counted > 0 OR key.counter > 0) AND counted <= key.counter THEN
        PERFORM authority.refuse('passkey_counter_went_back', format('%s after %s', counted, key.counter));
    END IF;
    UPDATE authority.passkey k SET counter = counted, used_at = at WHERE k.book_id = book AND k.credential_id = credential;
    RETURN key;
END $$;

-- Opens a session by a key. The challenge is one of ours, and is spent.
CREATE FUNCTION authority.open_session_by_passkey(book integer, event uuid, credential bytea, client_data bytea,
    authenticator_data bytea, signature bytea, session uuid, token_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now       record := authority.said_now(book, event, 1031);
    challenge bytea  := authority.from_base64url(authority.read_client_data(client_data)->>'challenge');
    key       authority.passkey;
BEGIN
    PERFORM authority.require_challenge(book, challenge, now.at);
    key := authority.use_passkey(book, credential, client_data, authenticator_data, signature, challenge, now.at);
    DELETE FROM authority.spent_challenge c WHERE c.book_id = book AND c.at < now.at - interval '1 hour';
    INSERT INTO authority.spent_challenge (book_id, challenge, at) VALUES (book, challenge, now.at);
    PERFORM authority.must_say(now.said, jsonb_build_object('person', key.person_id, 'session', session, 'by', 'passkey',
                                                            'credential', encode(credential, 'hex')));
    INSERT INTO authority.session (book_id, session_id, token_sha256, person_id, opened_by, opened_at, seen_at, ends_at)
    VALUES (book, session, token_sha256, key.person_id, 'passkey', now.at, now.at, now.at + interval '12 hours');
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.passkey
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.new_challenge, authority.require_challenge, authority.open_session_by_passkey
   TO ringfence_core;
