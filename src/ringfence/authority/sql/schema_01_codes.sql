-- authority, codes: codes of a device, the lesser second factor.

-- The lesser second factor: six digits of a device that shares a secret with us (TOTP, RFC 6238: HMAC-SHA-1, 30 s). It
-- steps a password up and nothing else; where approvals have to be signed it does not help. Most devices speak SHA-1
-- only, so it stands here: its weakness is collisions, which HMAC does not rest on.

CREATE FUNCTION authority.sha1(message bytea) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    mask   CONSTANT bigint := 4294967295;
    padded CONSTANT bytea := message || '\x80' || decode(repeat('00', (119 - length(message) % 64) % 64), 'hex')
                             || int8send(8 * length(message)::bigint);
    h0 bigint := 1732584193;  h1 bigint := 4023233417;  h2 bigint := 2562383102;  h3 bigint := 271733878;
    h4 bigint := 3285377520;
    a  bigint;  b bigint;  c bigint;  d bigint;  e bigint;  f bigint;
    w  bigint[];
BEGIN
    FOR block IN 0 .. length(padded) / 64 - 1 LOOP
        FOR i IN 0 .. 15 LOOP
            w[i] := authority.number_of(substr(padded, block * 64 + i * 4 + 1, 4))::bigint;
        END LOOP;
        FOR i IN 16 .. 79 LOOP
            f := w[i - 3] # w[i - 8] # w[i - 14] # w[i - 16];
            w[i] := ((f << 1) | (f >> 31)) & mask;
        END LOOP;
        a := h0; b := h1; c := h2; d := h3; e := h4;
        FOR i IN 0 .. 79 LOOP
            f := CASE WHEN i < 20 THEN ((b & c) | ((mask # b) & d)) + 1518500249
                      WHEN i < 40 THEN (b # c # d) + 1859775393
                      WHEN i < 60 THEN ((b & c) | (b & d) | (c & d)) + 2400959708
                      ELSE (b # c # d) + 3395469782 END;
            f := ((((a << 5) | (a >> 27)) & mask) + f + e + w[i]) & mask;
            e := d; d := c; c := ((b << 30) | (b >> 2)) & mask; b := a; a := f;
        END LOOP;
        h0 := (h0 + a) & mask; h1 := (h1 + b) & mask; h2 := (h2 + c) & mask; h3 := (h3 + d) & mask;
        h4 := (h4 + e) & mask;
    END LOOP;
    RETURN substr(int8send(h0), 5) || substr(int8send(h1), 5) || substr(int8send(h2), 5) || substr(int8send(h3), 5)
           || substr(int8send(h4), 5);
END $$;

-- The code of a secret (20 bytes) in a step of 30 s since 1970 (RFC 4226, 5.3).
CREATE FUNCTION authority.code_at(secret bytea, step bigint) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
DECLARE
    inner_key bytea := secret || decode(repeat('00', 64 - length(secret)), 'hex');
    outer_key bytea := inner_key;
    mac       bytea;
    place     integer;
BEGIN
    FOR i IN 0 .. 63 LOOP
        outer_key := set_byte(outer_key, i, get_byte(inner_key, i) # 92);
        inner_key := set_byte(inner_key, i, get_byte(inner_key, i) # 54);
    END LOOP;
    mac := authority.sha1(outer_key || authority.sha1(inner_key || int8send(step)));
    place := get_byte(mac, 19) & 15;
    RETURN lpad(((authority.number_of(substr(mac, place + 1, 4))::bigint & 2147483647) % 1000000)::text, 6, '0');
END $$;

CREATE FUNCTION authority.step_of(at timestamptz) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT floor(extract(epoch FROM at) / 30)::bigint;
$$;

-- A person's shared secret, and the last step whose code was used: that one and those before it are burned.
CREATE TABLE authority.code_device (
    book_id    integer NOT NULL,
    person_id  text    NOT NULL,
    secret     bytea   NOT NULL,
    last_step  bigint  NOT NULL,
    CONSTRAINT code_device_is_one_a_person PRIMARY KEY (book_id, person_id),
    CONSTRAINT code_device_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT code_secret_must_have_20_bytes CHECK (length(secret) = 20)
);

-- The step whose code this is: of now, of just before or of just after, and not burned; else null.
CREATE FUNCTION authority.fitting_step(secret bytea, last_step bigint, code text, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT min(step) FROM generate_series(authority.step_of(at) - 1, authority.step_of(at) + 1) step
     WHERE step > last_step AND authority.code_at(secret, step) = code;
$$;

-- Whether a code opens the door for a login: somebody without a device needs none.
CREATE FUNCTION authority.code_fits(book integer, login text, code text, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT NOT EXISTS (SELECT FROM authority.code_device d WHERE d.book_id = book AND d.person_id = login
                          AND authority.fitting_step(d.secret, d.last_step, code, at) IS NULL);
$$;

-- Who may what: nobody writes a table.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
