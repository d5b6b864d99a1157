-- authority: who may do this, and did they?
--
-- The core may call the functions below and read most of the tables; it writes none of them. Whoever acts is found by
-- the SHA-256 of a token, never by a name that the caller gives. Each function that changes something is called in the
-- append that journals it, and takes its time from the journal: `said_now` finds the event, and what it says must be
-- what is written.
--
-- Refusals are raised with SQLSTATE RF100 and the rule's name as the constraint.

CREATE SCHEMA authority;

CREATE FUNCTION authority.refuse(rule text, detail text DEFAULT '') RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = replace(rule, '_', ' '), ERRCODE = 'RF100', CONSTRAINT = rule, DETAIL = detail;
END $$;

-- Nothing here is deleted, and what has been decided is not changed, not even by the owner.
CREATE FUNCTION authority.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION '% keeps its history', TG_TABLE_NAME USING ERRCODE = 'RF003';
END $$;

-- The event of this append with an id: its sequence, its time and what it says. An event that was appended earlier, or
-- by another transaction, is not found. `number` is what journal.code has for the event's name.
CREATE FUNCTION authority.said_now(book integer, event uuid, number integer,
                                   OUT sequence bigint, OUT at timestamptz, OUT said jsonb)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    SELECT j.sequence, j.posted_at, convert_from(j.payload, 'UTF8')::jsonb INTO sequence, at, said
      FROM ledger.head b JOIN ledger.journal j ON j.book_id = b.book_id
     WHERE b.book_id = book AND b.append_by = pg_current_xact_id_if_assigned()
       AND j.id = event AND j.sequence >= b.append_from AND j.kind = 16 AND j.code = number;
    IF NOT FOUND THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'no such event in this append');
    END IF;
END $$;

-- What an event must say, field by field.
CREATE FUNCTION authority.must_say(said jsonb, expected jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $$
BEGIN
    IF expected IS DISTINCT FROM (SELECT jsonb_object_agg(key, said->key) FROM jsonb_object_keys(expected) key) THEN
        PERFORM authority.refuse('event_must_say_what_happens', format('the event says %s, what happens is %s', said, expected));
    END IF;
END $$;

CREATE TABLE authority.person (
    book_id       integer  NOT NULL REFERENCES ledger.book,
    person_id     text     NOT NULL,
    display_name  text     NOT NULL,
    active        boolean  NOT NULL,
    added         bigint   NOT NULL,
    CONSTRAINT person_is_a_person_already PRIMARY KEY (book_id, person_id),
    CONSTRAINT person_id_must_be_a_word CHECK (person_id ~ '^[a-z][a-z0-9.-]{1,31}$' AND person_id <> 'system'),
    CONSTRAINT person_has_a_short_name CHECK (length(display_name) BETWEEN 1 AND 100)
);

-- A role from one row of the journal to another; without an end it is held today.
CREATE TABLE authority.person_role (
    book_id    integer NOT NULL,
    person_id  text    NOT NULL,
    role       text    NOT NULL,
    granted    bigint  NOT NULL,
    withdrawn  bigint,
    CONSTRAINT person_role_is_granted_once PRIMARY KEY (book_id, person_id, role, granted),
    CONSTRAINT person_role_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT person_role_is_known CHECK (role IN ('treasurer', 'approver', 'risk_officer', 'auditor', 'system_admin',
                                                    'security_admin', 'customer')),
    CONSTRAINT person_role_ends_after_it_began CHECK (withdrawn >= granted)
);
CREATE UNIQUE INDEX person_role_is_held_once ON authority.person_role (book_id, person_id, role) WHERE withdrawn IS NULL;

-- SHA-256 of argon2id of the password: whoever reads this table can neither sign in nor guess quickly, and the core,
-- which may not read it, cannot open a session without the password.
CREATE TABLE authority.password (
    book_id      integer NOT NULL,
    person_id    text    NOT NULL,
    salt         bytea   NOT NULL,
    memory_kib   integer NOT NULL,
    passes       integer NOT NULL,
    lanes        integer NOT NULL,
    verifier     bytea   NOT NULL,
    must_change  boolean NOT NULL,
    CONSTRAINT password_is_one_a_person PRIMARY KEY (book_id, person_id),
    CONSTRAINT password_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT password_is_whole CHECK (length(salt) = 16 AND length(verifier) = 32 AND memory_kib > 0 AND passes > 0
                                        AND lanes > 0)
);

-- The salt that is shown for logins nobody has follows from this, so that it is the same every time.
CREATE TABLE authority.decoy (
    book_id  integer PRIMARY KEY REFERENCES ledger.book,
    secret   bytea NOT NULL
);

CREATE FUNCTION authority.roles_of(book integer, person text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(array_agg(r.role ORDER BY r.role), '{}') FROM authority.person_role r
     WHERE r.book_id = book AND r.person_id = person AND r.withdrawn IS NULL;
$$;

-- An administration and the audit stand alone, and so does who is a customer.
CREATE FUNCTION authority.roles_conflict(roles text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT roles && ARRAY['auditor', 'system_admin', 'security_admin', 'customer']
           AND (SELECT count(DISTINCT role) FROM unnest(roles) role) > 1;
$$;

-- Whoever makes payments checks none.
CREATE FUNCTION authority.roles_make_and_check(roles text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT 'treasurer' = ANY (roles) AND roles && ARRAY['approver', 'risk_officer'];
$$;

-- Gives a person exactly these roles from `sequence` on.
CREATE FUNCTION authority.put_roles(book integer, person text, roles text[], from_sequence bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF authority.roles_conflict(roles) THEN
        PERFORM authority.refuse('roles_conflict');
    ELSIF authority.roles_make_and_check(roles) THEN
        PERFORM authority.refuse('maker_may_not_be_checker');
    END IF;
    UPDATE authority.person_role r SET withdrawn = from_sequence
     WHERE r.book_id = book AND r.person_id = person AND r.withdrawn IS NULL AND r.role <> ALL (roles);
    INSERT INTO authority.person_role (book_id, person_id, role, granted)
    SELECT DISTINCT book, person, role, from_sequence FROM unnest(roles) role
     WHERE role <> ALL (authority.roles_of(book, person));
END $$;

CREATE FUNCTION authority.put_password(book integer, person text, secret jsonb) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO authority.password (book_id, person_id, salt, memory_kib, passes, lanes, verifier, must_change)
    VALUES (book, person, decode(secret->>'salt', 'hex'), (secret->>'memory_kib')::integer,
            (secret->>'passes')::integer, (secret->>'lanes')::integer, decode(secret->>'verifier', 'hex'),
            (secret->>'must_change')::boolean)
    ON CONFLICT ON CONSTRAINT password_is_one_a_person DO UPDATE
       SET salt = excluded.salt, memory_kib = excluded.memory_kib, passes = excluded.passes, lanes = excluded.lanes,
           verifier = excluded.verifier, must_change = excluded.must_change;
$$;

-- Who may what: nobody writes a table.
GRANT USAGE ON SCHEMA authority TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON authority.person, authority.person_role
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
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
-- authority, sessions: sessions of people, and the clients of programs.

CREATE TABLE authority.session (
    book_id       integer     NOT NULL,
    session_id    uuid        NOT NULL,
    token_sha256  bytea       NOT NULL,
    person_id     text        NOT NULL,
    opened_by     text        NOT NULL,
    opened_at     timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    revoked_at    timestamptz,
    CONSTRAINT session_is_unique PRIMARY KEY (book_id, session_id),
    CONSTRAINT session_token_is_unique UNIQUE (book_id, token_sha256),
    CONSTRAINT session_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT session_token_is_a_hash CHECK (length(token_sha256) = 32),
    CONSTRAINT session_opened_by_is_known CHECK (opened_by IN ('password', 'code', 'passkey', 'provider'))
);
CREATE INDEX session_person ON authority.session (book_id, person_id) WHERE revoked_at IS NULL;

-- Failed sign-ins in a row, by the SHA-256 of what was typed as the login: people mistake the field and type passwords.
CREATE TABLE authority.attempt (
    book_id       integer     NOT NULL REFERENCES ledger.book,
    login_sha256  bytea       NOT NULL,
    failures      integer     NOT NULL,
    last_at       timestamptz NOT NULL,
    locked_until  timestamptz NOT NULL,
    CONSTRAINT attempt_is_one_a_login PRIMARY KEY (book_id, login_sha256)
);
CREATE INDEX attempt_age ON authority.attempt (book_id, last_at);

CREATE TABLE authority.client (
    book_id       integer NOT NULL REFERENCES ledger.book,
    client_id     text    NOT NULL,
    token_sha256  bytea   NOT NULL,
    scopes        text[]  NOT NULL,
    active        boolean NOT NULL,
    signed_only   boolean NOT NULL DEFAULT false,
    added         bigint  NOT NULL,
    CONSTRAINT client_is_unique PRIMARY KEY (book_id, client_id),
    CONSTRAINT client_token_is_unique UNIQUE (book_id, token_sha256),
    CONSTRAINT client_id_is_a_word CHECK (client_id ~ '^[a-z][a-z0-9.-]{1,31}$'),
    CONSTRAINT client_token_is_a_hash CHECK (length(token_sha256) = 32)
);

-- How long what opens the door lasts, in seconds; a book without a row has the defaults of authority.door_limits.
CREATE TABLE authority.door_limit (
    book_id            integer NOT NULL REFERENCES ledger.book,
    idle_seconds       integer NOT NULL,
    session_seconds    integer NOT NULL,
    signature_seconds  integer NOT NULL,
    set_at             bigint  NOT NULL,
    CONSTRAINT door_limit_is_one_a_book PRIMARY KEY (book_id),
    CONSTRAINT door_limits_are_within_bounds CHECK (idle_seconds BETWEEN 300 AND 1800
        AND session_seconds BETWEEN 300 AND 43200 AND signature_seconds BETWEEN 10 AND 900)
);

CREATE FUNCTION authority.door_limits(book integer, OUT idle_seconds integer, OUT session_seconds integer,
                                      OUT signature_seconds integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(max(l.idle_seconds), 1800), coalesce(max(l.session_seconds), 43200),
           coalesce(max(l.signature_seconds), 300)
      FROM authority.door_limit l WHERE l.book_id = book;
$$;

-- Whose session this is at a time: idle for too long (30 minutes), too old (12 hours), revoked, or of somebody who left, it
-- is nobody's.
CREATE FUNCTION authority.person_of_session(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT s.person_id FROM authority.session s JOIN authority.person p USING (book_id, person_id),
           authority.door_limits(book) l
     WHERE s.book_id = book AND s.token_sha256 = person_of_session.token_sha256 AND s.revoked_at IS NULL AND p.active
       AND at < s.ends_at AND at < s.opened_at + interval '1 second' * l.session_seconds
       AND at < s.seen_at + interval '1 second' * l.idle_seconds;
$$;

-- The word for a person who makes something: `customer:…` for a customer's login.
CREATE FUNCTION authority.maker_of(book integer, person text) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN CASE WHEN authority.customer_of(book, person) IS NULL THEN person ELSE 'customer:' || person END;
END $$;

-- Who acts: a person by session, a client (`client:…`) by bearer token or signed request, the system itself without a
-- token; else null.
CREATE FUNCTION authority.actor_of(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN CASE WHEN token_sha256 IS NULL THEN 'system' ELSE coalesce(
        authority.maker_of(book, authority.person_of_session(book, actor_of.token_sha256, at)),
        (SELECT 'client:' || c.client_id FROM authority.client c
          WHERE c.book_id = book AND c.token_sha256 = actor_of.token_sha256 AND c.active AND NOT c.signed_only),
        'client:' || authority.client_of_request(book, actor_of.token_sha256, at)) END;
END $$;

-- What is needed to try a password: the salt and cost, and the time until which no attempt counts. Of a login that
-- nobody has it is a salt that follows from it, and the cost that most people's passwords have.
CREATE FUNCTION authority.begin_sign_in(book integer, login text, at timestamptz, OUT salt bytea, OUT memory_kib integer,
                                        OUT passes integer, OUT lanes integer, OUT locked_until timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    asked bytea := sha256(convert_to(login, 'UTF8'));
BEGIN
    SELECT p.salt, p.memory_kib, p.passes, p.lanes INTO salt, memory_kib, passes, lanes
      FROM authority.password p WHERE p.book_id = book AND p.person_id = login;
    IF NOT FOUND THEN
        salt := substr(sha256((SELECT d.secret FROM authority.decoy d WHERE d.book_id = book) || asked), 1, 16);
        SELECT p.memory_kib, p.passes, p.lanes INTO memory_kib, passes, lanes
          FROM authority.password p WHERE p.book_id = book
         GROUP BY p.memory_kib, p.passes, p.lanes ORDER BY count(*) DESC LIMIT 1;
    END IF;
    SELECT a.locked_until INTO locked_until FROM authority.attempt a
     WHERE a.book_id = book AND a.login_sha256 = asked AND a.locked_until > at;
END $$;

CREATE FUNCTION authority.password_fits(book integer, login text, stretched bytea) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM authority.password p JOIN authority.person q USING (book_id, person_id)
                    WHERE p.book_id = book AND p.person_id = login AND q.active AND p.verifier = sha256(stretched));
$$;

-- Tries a password, given as the output of argon2id. Attempts with one login wait for one another, and each counts
-- before it is answered: the fourth failure in a row locks the login for 2 s, each further one twice as long, at most
-- 15 minutes. While it is locked no attempt is looked at. `failures` counts those before a success, else all so far. A
-- code is tried with it, unless it is null: then the password alone is asked about.
CREATE FUNCTION authority.try_password(book integer, login text, stretched bytea, at timestamptz, code text,
                                       OUT fits boolean, OUT failures integer, OUT locked_until timestamptz,
                                       OUT has_device boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    asked bytea := sha256(convert_to(login, 'UTF8'));
BEGIN
    INSERT INTO authority.attempt AS a (book_id, login_sha256, failures, last_at, locked_until)
    VALUES (book, asked, 0, at, '-infinity')
    ON CONFLICT ON CONSTRAINT attempt_is_one_a_login DO UPDATE SET last_at = at
    RETURNING a.failures, a.locked_until INTO failures, locked_until;
    fits := false;
    IF locked_until > at THEN
        RETURN;
    END IF;
    locked_until := NULL;
    fits := authority.password_fits(book, login, stretched) AND (code IS NULL OR authority.code_fits(book, login, code, at));
    has_device := EXISTS (SELECT FROM authority.code_device d WHERE d.book_id = book AND d.person_id = login);
    IF fits THEN
        UPDATE authority.attempt a SET failures = 0, locked_until = '-infinity'
         WHERE a.book_id = book AND a.login_sha256 = asked;
        RETURN;
    END IF;
    failures := least(failures + 1, 1000000);
    UPDATE authority.attempt a
       SET failures = try_password.failures,
           locked_until = CASE WHEN try_password.failures < 4 THEN '-infinity'::timestamptz
                               ELSE at + least(interval '1 second' * 2 ^ least(try_password.failures - 3, 20),
                                               interval '15 minutes') END
     WHERE a.book_id = book AND a.login_sha256 = asked;
    -- Logins that nobody has leave rows behind; after a day of quiet they are of no use.
    DELETE FROM authority.attempt a WHERE a.book_id = book AND a.last_at < at - interval '1 day';
END $$;

-- Opens a session by a password, and by a code of a person who has a device for them; the code's step is burned.
CREATE FUNCTION authority.open_session(book integer, event uuid, login text, stretched bytea, code text, session uuid,
                                       token_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1031);
    device authority.code_device;
    means  text := 'password';
BEGIN
    IF NOT authority.password_fits(book, login, stretched) THEN
        PERFORM authority.refuse('session_is_not_valid', 'the password does not fit');
    END IF;
    SELECT * INTO device FROM authority.code_device d WHERE d.book_id = book AND d.person_id = login FOR UPDATE;
    IF FOUND THEN
        means := 'code';
        UPDATE authority.code_device d SET last_step = authority.fitting_step(device.secret, device.last_step, code, now.at)
         WHERE d.book_id = book AND d.person_id = login
           AND authority.fitting_step(device.secret, device.last_step, code, now.at) IS NOT NULL;
        IF NOT FOUND THEN
            PERFORM authority.refuse('code_does_not_fit');
        END IF;
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', login, 'session', session, 'by', means));
    INSERT INTO authority.session (book_id, session_id, token_sha256, person_id, opened_by, opened_at, seen_at, ends_at)
    VALUES (book, session, token_sha256, login, means, now.at, now.at, now.at + interval '12 hours');
    IF (now.said->>'failures_before')::integer >= 3 THEN
        PERFORM authority.tell(book, login, 'signed_in_after_failures', now.sequence, now.at);
    END IF;
END $$;

-- A person is here: who it is, and until when. Seen at most once a minute, so that pages do not write.
CREATE FUNCTION authority.touch_session(book integer, token_sha256 bytea, at timestamptz,
    OUT session_id uuid, OUT person_id text, OUT display_name text, OUT roles text[], OUT opened_at timestamptz,
    OUT ends_at timestamptz, OUT must_change boolean, OUT opened_by text)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who text := authority.person_of_session(book, touch_session.token_sha256, at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    UPDATE authority.session s SET seen_at = at
     WHERE s.book_id = book AND s.token_sha256 = touch_session.token_sha256 AND s.seen_at < at - interval '1 minute';
    SELECT s.session_id, s.person_id, p.display_name, authority.roles_of(book, who), s.opened_at, s.ends_at, w.must_change,
           s.opened_by
      INTO session_id, person_id, display_name, roles, opened_at, ends_at, must_change, opened_by
      FROM authority.session s JOIN authority.person p USING (book_id, person_id)
      JOIN authority.password w USING (book_id, person_id)
     WHERE s.book_id = book AND s.token_sha256 = touch_session.token_sha256;
END $$;

-- Ends the session if it is the caller's own; says whose it is.
CREATE FUNCTION authority.end_own_session(book integer, token_sha256 bytea, session uuid, at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who   text := authority.person_of_session(book, end_own_session.token_sha256, at);
    whose text;
BEGIN
    SELECT s.person_id INTO whose FROM authority.session s
     WHERE s.book_id = book AND s.session_id = session AND s.revoked_at IS NULL;
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF whose IS NULL THEN
        PERFORM authority.refuse('session_must_exist');
    ELSIF whose = who THEN
        UPDATE authority.session s SET revoked_at = at WHERE s.book_id = book AND s.session_id = session;
    END IF;
    RETURN whose;
END $$;

CREATE FUNCTION authority.client_of(book integer, token_sha256 bytea, OUT client_id text, OUT scopes text[])
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    signs boolean;
BEGIN
    SELECT c.client_id, c.scopes, c.signed_only INTO client_id, scopes, signs FROM authority.client c
     WHERE c.book_id = book AND c.token_sha256 = client_of.token_sha256 AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_is_not_known');
    ELSIF signs THEN
        PERFORM authority.refuse('client_must_sign');
    END IF;
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT (book_id, session_id, person_id, opened_by, opened_at, seen_at, ends_at, revoked_at) ON authority.session
   TO ringfence_core, ringfence_reader, ringfence_auditor;
GRANT SELECT (book_id, client_id, scopes, active, added) ON authority.client
   TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.begin_sign_in, authority.try_password, authority.open_session,
    authority.touch_session, authority.end_own_session, authority.client_of
   TO ringfence_core;
GRANT EXECUTE ON FUNCTION authority.door_limits
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
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
-- authority, policy: the policy, version by version.

-- `document` is canonical JSON (RFC 8785): for each act who may make it, how long a proposal stands, and how many
-- people of which roles approve, by currency and amount.
CREATE TABLE authority.policy (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    version         integer     NOT NULL,
    effective_from  timestamptz NOT NULL,
    document        bytea       NOT NULL,
    sha256          bytea       NOT NULL,
    sequence        bigint      NOT NULL,
    CONSTRAINT policy_version_must_be_next PRIMARY KEY (book_id, version),
    CONSTRAINT policy_hash_is_of_the_document CHECK (sha256 = sha256(document))
);
CREATE TRIGGER policy_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.policy
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.policy_at(book integer, at timestamptz, OUT version integer, OUT document jsonb)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT p.version, convert_from(p.document, 'UTF8')::jsonb FROM authority.policy p
     WHERE p.book_id = book AND p.effective_from <= at ORDER BY p.version DESC LIMIT 1;
$$;

-- Who may have asked for a payment, by act, as the journal says it with the policy.
CREATE FUNCTION authority.asked_by(document bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(jsonb_object_agg(act.key, act.value->'asked_by'), '{}')
      FROM jsonb_each(convert_from(document, 'UTF8')::jsonb->'acts') act WHERE act.value ? 'asked_by';
$$;

-- Whether the word for who made something is that of a person of the staff, not of a program or the system.
CREATE FUNCTION authority.is_staff(maker text) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT maker <> 'system' AND position(':' IN maker) = 0;
$$;

-- Whether an escalation holds at a time and a score; an order of which risk has said nothing counts as the worst. The
-- window runs from its first minute to before its last, perhaps over midnight, on the clocks of its zone.
CREATE FUNCTION authority.holds(escalation jsonb, at timestamptz, score numeric) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT (NOT escalation ? 'score_from' OR coalesce(score, 100) >= (escalation->>'score_from')::numeric)
       AND (NOT escalation ? 'zone'
            OR CASE WHEN (escalation->>'from')::time < (escalation->>'until')::time
                    THEN clock >= (escalation->>'from')::time AND clock < (escalation->>'until')::time
                    ELSE clock >= (escalation->>'from')::time OR clock < (escalation->>'until')::time END)
      FROM CAST(at AT TIME ZONE (escalation->>'zone') AS time) clock;
$$;

-- {"people": n, "roles": […], perhaps "signed": true} for an act; null if the policy does not know it. The first band that
-- reaches the amount counts; an amount above all bands, or of a currency without bands, falls under `otherwise`. Where
-- somebody must have asked for a payment (`asked_by`), a band that asks nobody does not count for a maker of the staff. What
-- holds of `when`, at the time of the proposal and with the score of its order, comes on top.
CREATE FUNCTION authority.required(document jsonb, act text, currency text, amount_minor numeric, at timestamptz,
                                   score numeric, maker text DEFAULT 'system') RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    WITH asked AS (
        SELECT coalesce((SELECT band - 'up_to_minor'
                           FROM jsonb_array_elements(document #> ARRAY['acts', act, 'bands', currency]) band
                          WHERE amount_minor <= (band->>'up_to_minor')::numeric
                            AND ((band->>'people')::integer > 0 OR NOT authority.is_staff(maker)
                                 OR document #> ARRAY['acts', act, 'asked_by'] IS NULL)
                          ORDER BY (band->>'up_to_minor')::numeric LIMIT 1),
                        document #> ARRAY['acts', act, 'otherwise']) AS rule),
    more AS (
        SELECT each, place FROM jsonb_array_elements(document #> ARRAY['acts', act, 'when']) WITH ORDINALITY w (each, place)
         WHERE authority.holds(each, at, score)),
    raised AS (
        SELECT (rule->>'people')::integer + (SELECT coalesce(sum((each->>'more_people')::integer), 0) FROM more) AS people,
               coalesce((rule->>'signed')::boolean, false)
                   OR (SELECT coalesce(bool_or((each->>'signed')::boolean), false) FROM more) AS signed,
               (SELECT jsonb_agg(role ORDER BY first) FROM (
                    SELECT role, min(ARRAY[entry, nth]) AS first FROM (
                        SELECT 0::bigint AS entry, nth, role
                          FROM jsonb_array_elements_text(rule->'roles') WITH ORDINALITY r (role, nth)
                        UNION ALL
                        SELECT place, nth, role
                          FROM more, jsonb_array_elements_text(each->'roles') WITH ORDINALITY r (role, nth)) listed
                     GROUP BY role) named) AS roles
          FROM asked WHERE rule IS NOT NULL)
    SELECT jsonb_build_object('people', people, 'roles', coalesce(roles, '[]'))
           || CASE WHEN signed AND people > 0 THEN '{"signed": true}'::jsonb ELSE '{}' END
      FROM raised;
$$;

-- The highest score that risk gave an order, as the journal has it; null if it gave none. A decision without a score says
-- the worst. Whoever asks sees the rows that are there for him.
CREATE FUNCTION authority.score_of(book integer, which uuid) RETURNS numeric
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT max(CASE WHEN jsonb_typeof(said->'score') = 'number' THEN (said->>'score')::numeric ELSE 100 END)
      FROM ledger.journal j, LATERAL (SELECT convert_from(j.payload, 'UTF8')::jsonb) AS decision (said)
     WHERE j.book_id = book AND book = ANY (ledger.books_served()) AND j.order_id = which AND j.kind = 16 AND j.code = 1010;
$$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.policy
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.policy_at, authority.holds, authority.required, authority.score_of, authority.is_staff
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
-- authority, proposals: proposals and approvals.

CREATE TABLE authority.proposal (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    proposal_id     uuid        NOT NULL,
    act             text        NOT NULL,
    order_id        uuid,
    payload         bytea       NOT NULL,
    payload_sha256  bytea       NOT NULL,
    maker           text        NOT NULL,
    people          integer     NOT NULL,
    roles           text[]      NOT NULL,
    signed          boolean     NOT NULL,
    policy_version  integer     NOT NULL,
    made_at         timestamptz NOT NULL,
    expires_at      timestamptz NOT NULL,
    made            bigint      NOT NULL,
    state           text        NOT NULL DEFAULT 'open',
    carried_out     bigint,
    CONSTRAINT proposal_is_unique PRIMARY KEY (book_id, proposal_id),
    CONSTRAINT proposal_event_is_its_own UNIQUE (book_id, made),
    CONSTRAINT proposal_policy_exists FOREIGN KEY (book_id, policy_version) REFERENCES authority.policy,
    CONSTRAINT proposal_hash_is_of_the_payload CHECK (payload_sha256 = sha256(payload)),
    CONSTRAINT proposal_asks_somebody CHECK (people > 0 AND cardinality(roles) > 0),
    CONSTRAINT proposal_expires_later CHECK (expires_at > made_at),
    CONSTRAINT proposal_state_is_known CHECK (state IN ('open', 'complete', 'rejected', 'carried_out')),
    CONSTRAINT proposal_is_carried_out_in_a_row CHECK ((state = 'carried_out') = (carried_out IS NOT NULL))
);
CREATE INDEX proposal_open ON authority.proposal (book_id, made) WHERE state IN ('open', 'complete');
CREATE INDEX proposal_order ON authority.proposal (book_id, order_id) WHERE order_id IS NOT NULL;

CREATE TABLE authority.approval (
    book_id         integer     NOT NULL,
    proposal_id     uuid        NOT NULL,
    person_id       text        NOT NULL,
    payload_sha256  bytea       NOT NULL,
    decided         text        NOT NULL,
    reason          text        NOT NULL,
    at              timestamptz NOT NULL,
    sequence        bigint      NOT NULL,
    credential_id       bytea,
    client_data         bytea,
    authenticator_data  bytea,
    signature           bytea,
    CONSTRAINT person_decided_already PRIMARY KEY (book_id, proposal_id, person_id),
    CONSTRAINT approval_event_is_its_own UNIQUE (book_id, sequence),
    CONSTRAINT approval_is_of_a_proposal FOREIGN KEY (book_id, proposal_id) REFERENCES authority.proposal,
    CONSTRAINT approval_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT approval_is_yes_or_no CHECK (decided IN ('approve', 'reject')),
    CONSTRAINT reason_must_be_short CHECK (length(reason) <= 500),
    CONSTRAINT approval_is_by_a_known_passkey FOREIGN KEY (book_id, credential_id) REFERENCES authority.passkey,
    CONSTRAINT approval_is_signed_whole
        CHECK (num_nulls(credential_id, client_data, authenticator_data, signature) IN (0, 4))
);
CREATE TRIGGER approval_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.approval
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- Of a proposal only the state moves: open, complete, carried out; or open, rejected.
CREATE FUNCTION authority.guard_proposal() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - 'state' - 'carried_out' IS DISTINCT FROM to_jsonb(OLD) - 'state' - 'carried_out'
       OR (OLD.state, NEW.state) NOT IN (('open', 'complete'), ('open', 'rejected'), ('complete', 'carried_out')) THEN
        RAISE EXCEPTION 'proposal keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER proposal_moves_forward BEFORE UPDATE ON authority.proposal
    FOR EACH ROW EXECUTE FUNCTION authority.guard_proposal();
CREATE TRIGGER proposal_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.proposal
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- Writes a proposal down. Everything follows from its bytes: the act, the order, the amount, the policy and so the
-- people; only the maker is found by token.
CREATE FUNCTION authority.make_proposal(book integer, event uuid, proposal uuid, payload bytea, token_sha256 bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now     record := authority.said_now(book, event, 1020);
    terms   jsonb  := convert_from(payload, 'UTF8')::jsonb;
    maker   text   := authority.actor_of(book, make_proposal.token_sha256, now.at);
    policy  record;
    rule    jsonb;
    needed  jsonb;
    signed  boolean;
    expiry  timestamptz := (terms->>'expires_at')::timestamptz;
BEGIN
    SELECT p.version, p.document INTO policy FROM authority.policy_at(book, now.at) p;
    IF maker IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF policy.version IS NULL THEN
        PERFORM authority.refuse('policy_must_exist');
    ELSIF NOT terms @> jsonb_build_object('form', 'ringfence proposal v1', 'book', book, 'proposal', proposal) THEN
        PERFORM authority.refuse('terms_are_not_valid', 'form, book or proposal');
    ELSIF (terms->>'nonce')::uuid IS NULL THEN
        PERFORM authority.refuse('terms_are_not_valid', 'nonce');
    ELSIF (terms->>'policy_version')::integer IS DISTINCT FROM policy.version THEN
        PERFORM authority.refuse('policy_has_changed');
    END IF;
    rule := policy.document #> ARRAY['acts', terms->>'act'];
    needed := authority.required(policy.document, terms->>'act', terms->>'currency', (terms->>'amount_minor')::numeric,
                                 now.at, authority.score_of(book, (terms->>'order')::uuid), maker);
    signed := coalesce((needed->>'signed')::boolean, false);
    IF needed IS NULL THEN
        PERFORM authority.refuse('act_is_not_in_the_policy', terms->>'act');
    ELSIF (needed->>'people')::integer = 0 THEN
        PERFORM authority.refuse('approval_is_not_required');
    ELSIF NOT rule->'makers' ?| (CASE WHEN maker LIKE 'client:%' THEN ARRAY['client']
                                     WHEN maker LIKE 'customer:%' THEN ARRAY['customer']
                                     WHEN maker = 'system' THEN ARRAY['system']
                                     ELSE authority.roles_of(book, maker) END) THEN
        PERFORM authority.refuse('maker_may_not_make_this');
    ELSIF expiry IS NULL OR expiry <= now.at
          OR expiry > now.at + interval '1 hour' * (rule->>'stands_hours')::integer THEN
        PERFORM authority.refuse('terms_are_not_valid', 'expires_at');
    ELSIF (now.said->'people', now.said->'roles', coalesce((now.said->>'signed')::boolean, false))
          IS DISTINCT FROM (needed->'people', needed->'roles', signed) THEN
        PERFORM authority.refuse('requirement_changed_meanwhile');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'proposal', proposal, 'act', terms->>'act', 'sha256', encode(sha256(payload), 'hex'), 'maker', maker,
        'people', needed->'people', 'roles', needed->'roles', 'policy_version', policy.version)
        || CASE WHEN signed THEN '{"signed": true}'::jsonb ELSE '{}' END);
    INSERT INTO authority.proposal (book_id, proposal_id, act, order_id, payload, payload_sha256, maker, people, roles,
                                    signed, policy_version, made_at, expires_at, made)
    VALUES (book, proposal, terms->>'act', (terms->>'order')::uuid, payload, sha256(payload), maker,
            (needed->>'people')::integer, ARRAY(SELECT jsonb_array_elements_text(needed->'roles')), signed, policy.version,
            now.at, expiry, now.sequence);
END $$;

-- An act of an order needs nobody at the time of this append: `event` is risk's decision on it.
CREATE FUNCTION authority.require_nobody(book integer, event uuid, which uuid, act text, currency text, amount bigint,
                                         maker text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1010);
    needed jsonb;
BEGIN
    SELECT authority.required(p.document, act, currency, amount, now.at, authority.score_of(book, which), maker)
      INTO needed
      FROM authority.policy_at(book, now.at) p;
    IF (needed->>'people')::integer IS DISTINCT FROM 0 THEN
        PERFORM authority.refuse('requirement_changed_meanwhile');
    END IF;
END $$;

-- Why the person of this session may not decide so on this proposal, by the name of the first broken rule; else null.
-- A maker may withdraw (reject) what he made.
CREATE FUNCTION authority.objection(book integer, token_sha256 bytea, proposal uuid, payload_sha256 bytea, decision text,
                                    at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who   text := authority.person_of_session(book, objection.token_sha256, at);
    asked authority.proposal;
BEGIN
    IF who IS NULL THEN
        RETURN 'session_is_not_valid';
    END IF;
    SELECT * INTO asked FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal;
    IF NOT FOUND THEN
        RETURN 'proposal_must_exist';
    END IF;
    RETURN CASE
        WHEN EXISTS (SELECT FROM authority.approval a
                      WHERE a.book_id = book AND a.proposal_id = proposal AND a.person_id = who)
            THEN 'person_decided_already'
        WHEN asked.state <> 'open' THEN 'proposal_is_not_open'
        WHEN at >= asked.expires_at THEN 'proposal_has_expired'
        WHEN objection.payload_sha256 IS DISTINCT FROM sha256(asked.payload) THEN 'payload_was_changed'
        WHEN decision = 'approve' AND asked.maker = who THEN 'maker_may_not_check'
        WHEN asked.maker <> who AND NOT asked.roles && authority.roles_of(book, who) THEN 'person_lacks_the_role'
        WHEN decision = 'approve' AND NOT EXISTS (
                SELECT FROM unnest(asked.roles) role
                 WHERE role = ANY (authority.roles_of(book, who))
                   AND role <> ALL (authority.suspended_roles(book,
                       (SELECT convert_from(p.document, 'UTF8')::jsonb FROM authority.policy p
                         WHERE p.book_id = book AND p.version = asked.policy_version), who, at)))
            THEN 'course_has_lapsed'
        WHEN (SELECT w.must_change FROM authority.password w WHERE w.book_id = book AND w.person_id = who)
            THEN 'password_must_be_changed_first'
    END;
END $$;

-- What a key signs when it approves: SHA-256 of exactly the bytes of a proposal, under a tag that nothing else has. So a
-- signature is for this amount and this payee, or for nothing (dynamic linking: Delegated Regulation (EU) 2018/389, Art. 5).
CREATE FUNCTION authority.approval_challenge(payload bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to('ringfence approval v1', 'UTF8') || '\x00' || payload);
$$;

-- A person decides. `PROPOSAL_APPROVED` also says the count that it makes; a person who decided in between makes
-- another count, so the event would be wrong, and the caller says it anew. An approval may be signed by a passkey of the
-- person, and has to be where the policy says so; the event then says the signature and all that it is over.
CREATE FUNCTION authority.decide(book integer, event uuid, token_sha256 bytea, proposal uuid, payload_sha256 bytea,
                                 decision text, reason text, credential bytea, client_data bytea,
                                 authenticator_data bytea, signature bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, CASE decision WHEN 'approve' THEN 1021 ELSE 1022 END);
    who    text   := authority.person_of_session(book, decide.token_sha256, now.at);
    asked  authority.proposal;
    key    authority.passkey;
    count  integer;
    broken text;
BEGIN
    SELECT * INTO asked FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal FOR UPDATE;
    broken := authority.objection(book, decide.token_sha256, proposal, decide.payload_sha256, decision, now.at);
    IF broken IS NOT NULL THEN
        PERFORM authority.refuse(broken);
    ELSIF asked.signed AND decision = 'approve' AND credential IS NULL THEN
        PERFORM authority.refuse('approval_must_be_signed');
    ELSIF decision = 'approve' AND credential IS NULL AND EXISTS (
            SELECT FROM authority.session s WHERE s.book_id = book AND s.opened_by = 'provider'
               AND s.token_sha256 = decide.token_sha256) THEN
        PERFORM authority.refuse('single_sign_on_approves_nothing');
    END IF;
    SELECT count(*) + CASE decision WHEN 'approve' THEN 1 ELSE 0 END INTO count FROM authority.approval a
     WHERE a.book_id = book AND a.proposal_id = proposal AND a.decided = 'approve';
    IF (now.said->>'count')::integer IS DISTINCT FROM count THEN
        PERFORM authority.refuse('decision_was_counted_meanwhile');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'proposal', proposal, 'person', who, 'sha256', encode(decide.payload_sha256, 'hex')));
    IF credential IS NOT NULL THEN
        key := authority.use_passkey(book, credential, decide.client_data, decide.authenticator_data, decide.signature,
                                     authority.approval_challenge(asked.payload), now.at);
        IF key.person_id <> who OR decision <> 'approve' THEN
            PERFORM authority.refuse('passkey_is_somebody_elses');
        ELSIF now.at < key.approves_from THEN
            PERFORM authority.refuse('passkey_must_wait');
        END IF;
        PERFORM authority.must_say(now.said, jsonb_build_object(
            'credential', encode(credential, 'hex'), 'client_data', encode(decide.client_data, 'hex'),
            'challenge', encode(authority.approval_challenge(asked.payload), 'hex'),
            'authenticator_data', encode(decide.authenticator_data, 'hex'), 'signature', encode(decide.signature, 'hex')));
    END IF;
    INSERT INTO authority.approval (book_id, proposal_id, person_id, payload_sha256, decided, reason, at, sequence,
                                    credential_id, client_data, authenticator_data, signature)
    VALUES (book, proposal, who, decide.payload_sha256, decision, decide.reason, now.at, now.sequence,
            credential, decide.client_data, decide.authenticator_data, decide.signature);
    IF decision = 'reject' THEN
        UPDATE authority.proposal p SET state = 'rejected' WHERE p.book_id = book AND p.proposal_id = proposal;
    ELSIF count >= asked.people THEN
        UPDATE authority.proposal p SET state = 'complete' WHERE p.book_id = book AND p.proposal_id = proposal;
    END IF;
END $$;

-- Spends a complete proposal, once, at a row of this append. The approvals are counted again; the state is not believed.
CREATE FUNCTION authority.spend(book integer, row_sequence bigint, at timestamptz, proposal uuid, act text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    asked authority.proposal;
BEGIN
    SELECT * INTO asked FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('proposal_must_exist');
    ELSIF asked.act IS DISTINCT FROM spend.act OR asked.state <> 'complete' OR asked.people >
          (SELECT count(*) FROM authority.approval a
            WHERE a.book_id = book AND a.proposal_id = proposal AND a.decided = 'approve'
              AND a.person_id <> asked.maker AND a.payload_sha256 = sha256(asked.payload)
              AND (a.credential_id IS NOT NULL OR NOT asked.signed)) THEN
        PERFORM authority.refuse('proposal_is_not_complete');
    ELSIF at >= asked.expires_at THEN
        PERFORM authority.refuse('proposal_has_expired');
    END IF;
    UPDATE authority.proposal p SET state = 'carried_out', carried_out = row_sequence
     WHERE p.book_id = book AND p.proposal_id = proposal;
    RETURN convert_from(asked.payload, 'UTF8')::jsonb;
END $$;

-- Does what a complete proposal allows: called in the append of the event that does it (whose number this is).
CREATE FUNCTION authority.carry_out(book integer, event uuid, number integer, proposal uuid, act text) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, number);
BEGIN
    RETURN authority.spend(book, now.sequence, now.at, proposal, act);
END $$;

-- The same for what stands over a book: called in the append of the row (kinds 9 to 12) that says it. The proposal holds
-- the row's own bytes, so that what people approved and what the journal says cannot be two things.
CREATE FUNCTION authority.carry_out_standing(book integer, standing uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record;
    facts jsonb;
BEGIN
    SELECT j.sequence, j.posted_at AS at, j.kind, j.payload INTO now
      FROM ledger.head b JOIN ledger.journal j ON j.book_id = b.book_id
     WHERE b.book_id = book AND b.append_by = pg_current_xact_id_if_assigned()
       AND j.id = standing AND j.sequence >= b.append_from AND j.order_id = proposal;
    IF NOT FOUND THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'no such row in this append');
    END IF;
    facts := authority.spend(book, now.sequence, now.at, proposal, CASE now.kind
        WHEN 9 THEN 'limit_change' WHEN 10 THEN 'period_close' WHEN 11 THEN 'guard_change' WHEN 12 THEN 'monitor_change'
    END)->'facts';
    IF now.payload IS DISTINCT FROM convert_to(facts->>'row', 'UTF8') THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'the row is not the one that was approved');
    END IF;
END $$;

-- The same for a transfer that is taken back: called in the append of the correction, whose order is the proposal. People
-- approved this transfer, these accounts and this amount.
CREATE FUNCTION authority.carry_out_correction(book integer, correction uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record;
    terms jsonb;
BEGIN
    SELECT j.sequence, j.posted_at AS at, j.refers_to, j.debit_account, j.credit_account, j.amount INTO now
      FROM ledger.head b JOIN ledger.journal j ON j.book_id = b.book_id
     WHERE b.book_id = book AND b.append_by = pg_current_xact_id_if_assigned()
       AND j.id = correction AND j.sequence >= b.append_from AND j.kind = 6 AND j.order_id = proposal;
    IF NOT FOUND THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'no such row in this append');
    END IF;
    terms := authority.spend(book, now.sequence, now.at, proposal, 'correction');
    IF (now.refers_to::text, now.debit_account::text, now.credit_account::text, now.amount::text)
       IS DISTINCT FROM (terms #>> '{facts,transfer}', terms #>> '{facts,debit_account}',
                         terms #>> '{facts,credit_account}', terms->>'amount_minor') THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'the row is not the one that was approved');
    END IF;
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.proposal, authority.approval
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.make_proposal, authority.require_nobody, authority.objection, authority.decide, authority.carry_out,
    authority.carry_out_standing, authority.carry_out_correction
   TO ringfence_core;
GRANT EXECUTE ON FUNCTION authority.approval_challenge
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
-- authority, changes: changing people, policy, passkeys and clients.

-- The first people of a book, all in one append; afterwards `change_person` is the only way to more.
CREATE FUNCTION authority.found_person(book integer, event uuid, person text, called text, roles text[], secret jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
BEGIN
    IF EXISTS (SELECT FROM authority.person p JOIN ledger.head b USING (book_id)
                WHERE p.book_id = book AND p.added < b.append_from) THEN
        PERFORM authority.refuse('book_has_its_people_already');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'founded', 'roles', to_jsonb(roles)));
    INSERT INTO authority.decoy (book_id, secret)
    VALUES (book, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))) ON CONFLICT DO NOTHING;
    INSERT INTO authority.person (book_id, person_id, display_name, active, added)
    VALUES (book, person, called, true, now.sequence);
    PERFORM authority.put_roles(book, person, roles, now.sequence);
    PERFORM authority.put_password(book, person, secret);
END $$;

CREATE FUNCTION authority.put_policy(book integer, next integer, from_time timestamptz, text bytea,
                                     event uuid)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1023);
BEGIN
    IF next <> 1 + (SELECT coalesce(max(p.version), 0) FROM authority.policy p WHERE p.book_id = book)
       OR from_time IS NULL OR from_time < now.at THEN
        PERFORM authority.refuse('policy_version_must_be_next');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('version', next, 'sha256', encode(sha256(text), 'hex'),
                                                            'asked_by', authority.asked_by(text),
                                                            'document', convert_from(text, 'UTF8')));
    INSERT INTO authority.policy (book_id, version, effective_from, document, sha256, sequence)
    VALUES (book, next, from_time, text, sha256(text), now.sequence);
END $$;

-- The first policy of a book needs nobody; it is in force at once.
CREATE FUNCTION authority.found_policy(book integer, event uuid, document bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1023);
BEGIN
    PERFORM authority.put_policy(book, 1, now.at, document, event);
END $$;

-- A further policy is what a complete proposal says.
CREATE FUNCTION authority.change_policy(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1023);
    facts jsonb  := authority.carry_out(book, event, 1023, proposal, 'policy_change')->'facts';
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('effective_from', facts->'effective_from'));
    PERFORM authority.put_policy(book, (facts->>'version')::integer,
                                 greatest((facts->>'effective_from')::timestamptz, now.at),
                                 convert_to(facts->>'document', 'UTF8'), event);
END $$;

-- A person is added, gets other roles or a new password, as a complete proposal says: roles separated by spaces. With a
-- new password a device for codes is forgotten: that is how somebody who has lost it comes back, by two other people.
CREATE FUNCTION authority.change_person(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1030);
    facts  jsonb  := authority.carry_out(book, event, 1030, proposal, 'person_change')->'facts';
    roles  text[] := string_to_array(facts->>'roles', ' ');
    person text   := facts->>'person';
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'changed', 'roles', to_jsonb(roles),
                                                            'proposal', proposal)
                                         || CASE WHEN facts ? 'customer' THEN jsonb_build_object('customer', facts->'customer')
                                                 ELSE '{}' END);
    PERFORM authority.require_customer(book, person, roles, facts->>'customer');
    INSERT INTO authority.person (book_id, person_id, display_name, active, added)
    VALUES (book, person, facts->>'display_name', true, now.sequence)
    ON CONFLICT ON CONSTRAINT person_is_a_person_already DO UPDATE SET display_name = excluded.display_name, active = true;
    IF facts ? 'customer' THEN
        INSERT INTO authority.customer_login (book_id, person_id, customer_id, bound)
        VALUES (book, person, facts->>'customer', now.sequence) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM authority.put_roles(book, person, roles, now.sequence);
    IF facts ? 'verifier' THEN
        PERFORM authority.put_password(book, person, facts || '{"must_change": true}');
        DELETE FROM authority.code_device d WHERE d.book_id = book AND d.person_id = person;
        UPDATE authority.session s SET revoked_at = now.at
         WHERE s.book_id = book AND s.person_id = person AND s.revoked_at IS NULL;
        PERFORM authority.tell(book, person, 'password_reset', now.sequence, now.at);
    END IF;
END $$;

-- A security administrator ends somebody's roles, sessions and passkeys at once, alone.
CREATE FUNCTION authority.deactivate_person(book integer, event uuid, token_sha256 bytea, person text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, deactivate_person.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'deactivated', 'roles', '[]'::jsonb,
                                                            'by', who));
    UPDATE authority.person p SET active = false WHERE p.book_id = book AND p.person_id = person AND p.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('person_must_exist');
    END IF;
    PERFORM authority.put_roles(book, person, '{}', now.sequence);
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.person_id = person AND s.revoked_at IS NULL;
    UPDATE authority.passkey k SET revoked = now.sequence
     WHERE k.book_id = book AND k.person_id = person AND k.revoked IS NULL;
    UPDATE authority.identity i SET released = now.sequence
     WHERE i.book_id = book AND i.person_id = person AND i.released IS NULL;
END $$;

CREATE FUNCTION authority.require_administrator(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    who text := authority.person_of_session(book, require_administrator.token_sha256, at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF 'security_admin' <> ALL (authority.roles_of(book, who)) THEN
        PERFORM authority.refuse('person_lacks_the_role');
    END IF;
    RETURN who;
END $$;

CREATE FUNCTION authority.end_session(book integer, event uuid, token_sha256 bytea, session uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1030);
    who   text   := authority.require_administrator(book, end_session.token_sha256, now.at);
    whose text;
BEGIN
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.session_id = session AND s.revoked_at IS NULL RETURNING s.person_id INTO whose;
    IF NOT FOUND THEN
        PERFORM authority.refuse('session_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', whose, 'change', 'session ended', 'by', who,
                                                            'session', session));
END $$;

-- A person changes the password and with it ends every other session.
CREATE FUNCTION authority.change_password(book integer, event uuid, token_sha256 bytea, stretched bytea, secret jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.person_of_session(book, change_password.token_sha256, now.at);
BEGIN
    IF who IS NULL OR NOT authority.password_fits(book, who, stretched) THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', who, 'change', 'password'));
    PERFORM authority.put_password(book, who, secret || '{"must_change": false}');
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.person_id = who AND s.token_sha256 <> change_password.token_sha256
       AND s.revoked_at IS NULL;
    PERFORM authority.tell(book, who, 'password_changed', now.sequence, now.at);
END $$;

-- Whether any row before this one moves or holds money (kinds 1 to 6). By the sequence, whatever the planner believes: a
-- book that has money had it early.
CREATE FUNCTION authority.money_moved_before(book integer, place bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog SET enable_seqscan = off AS $$
    SELECT coalesce((SELECT j.sequence FROM ledger.journal j
                      WHERE j.book_id = book AND j.kind BETWEEN 1 AND 6 ORDER BY j.sequence LIMIT 1) < place, false);
$$;

-- A key is enrolled as a complete proposal says, for the person who made it; the policy of the proposal says for how long
-- it waits before it approves anything. One of the staff that is enrolled before any money has moved does not wait (the
-- founding of the book). Keys are P-256 in the one form that CTAP2 has for them.
CREATE FUNCTION authority.enrol_passkey(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now     record := authority.said_now(book, event, 1032);
    facts   jsonb  := authority.carry_out(book, event, 1032, proposal, 'key_enrolment')->'facts';
    public  bytea  := decode(facts->>'public_key', 'hex');
    maker   text;
    hours   integer;
BEGIN
    SELECT p.maker, coalesce((convert_from(q.document, 'UTF8')::jsonb #>> '{passkeys,wait_hours}')::integer, 24)
      INTO maker, hours
      FROM authority.proposal p JOIN authority.policy q ON q.book_id = p.book_id AND q.version = p.policy_version
     WHERE p.book_id = book AND p.proposal_id = proposal;
    IF maker NOT LIKE 'customer:%' AND NOT authority.money_moved_before(book, now.sequence) THEN
        hours := 0;
    END IF;
    maker := regexp_replace(maker, '^customer:', '');
    IF maker IS DISTINCT FROM facts->>'person' THEN
        PERFORM authority.refuse('passkey_is_of_its_maker');
    ELSIF length(public) IS DISTINCT FROM 77 OR substr(public, 1, 10) <> '\xa5010203262001215820'
          OR substr(public, 43, 3) <> '\x225820' THEN
        PERFORM authority.refuse('passkey_must_be_es256');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', maker, 'credential', facts->'credential', 'public_key', facts->'public_key', 'rp_id', facts->'rp_id',
        'wait_hours', hours, 'proposal', proposal));
    INSERT INTO authority.passkey (book_id, credential_id, person_id, label, rp_id, public_key, aaguid, client_data,
                                   attestation_object, proposal_id, enrolled, enrolled_at, approves_from, counter)
    VALUES (book, decode(facts->>'credential', 'hex'), maker, facts->>'label', facts->>'rp_id', public,
            (facts->>'aaguid')::uuid, decode(facts->>'client_data', 'hex'), decode(facts->>'attestation_object', 'hex'),
            proposal, now.sequence, now.at, now.at + interval '1 hour' * hours, (facts->>'counter')::bigint);
    PERFORM authority.tell(book, maker, 'passkey_enrolled', now.sequence, now.at);
END $$;

-- A person gives up an own key, or a security administrator takes anybody's, alone and at once.
CREATE FUNCTION authority.revoke_passkey(book integer, event uuid, token_sha256 bytea, credential bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1033);
    who   text   := authority.person_of_session(book, revoke_passkey.token_sha256, now.at);
    whose text;
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    SELECT k.person_id INTO whose FROM authority.passkey k
     WHERE k.book_id = book AND k.credential_id = credential AND k.revoked IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('passkey_must_exist');
    ELSIF whose <> who THEN
        PERFORM authority.require_administrator(book, revoke_passkey.token_sha256, now.at);
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', whose, 'credential', encode(credential, 'hex'), 'by', who));
    UPDATE authority.passkey k SET revoked = now.sequence WHERE k.book_id = book AND k.credential_id = credential;
    PERFORM authority.tell(book, whose, 'passkey_revoked', now.sequence, now.at);
END $$;

-- A person sets up a device for codes: with the password and a code of the new secret, and where there was a device in a
-- session that was opened by its code or by a passkey.
CREATE FUNCTION authority.set_code_device(book integer, event uuid, token_sha256 bytea, stretched bytea, secret bytea,
                                          code text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1030);
    who  text   := authority.person_of_session(book, set_code_device.token_sha256, now.at);
    step bigint := authority.fitting_step(set_code_device.secret, 0, code, now.at);
BEGIN
    IF who IS NULL OR NOT authority.password_fits(book, who, stretched) THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF EXISTS (SELECT FROM authority.code_device d WHERE d.book_id = book AND d.person_id = who)
          AND EXISTS (SELECT FROM authority.session s WHERE s.book_id = book AND s.opened_by IN ('password', 'provider')
                         AND s.token_sha256 = set_code_device.token_sha256) THEN
        PERFORM authority.refuse('code_is_needed_first');
    ELSIF step IS NULL THEN
        PERFORM authority.refuse('code_does_not_fit');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', who, 'change', 'code device'));
    INSERT INTO authority.code_device (book_id, person_id, secret, last_step)
    VALUES (book, who, set_code_device.secret, step)
    ON CONFLICT ON CONSTRAINT code_device_is_one_a_person DO UPDATE
       SET secret = excluded.secret, last_step = excluded.last_step;
    PERFORM authority.tell(book, who, 'code_device_set', now.sequence, now.at);
END $$;

-- A client of the platform may make orders within its scopes, but approves nothing, so one administrator is enough.
CREATE FUNCTION authority.add_client(book integer, event uuid, token_sha256 bytea, client text, client_token_sha256 bytea,
                                     scopes text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, add_client.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', 'client:' || client, 'change', 'client added',
                                                            'scopes', to_jsonb(scopes), 'by', who));
    IF EXISTS (SELECT FROM authority.client c WHERE c.book_id = book AND c.client_id = client) THEN
        PERFORM authority.refuse('person_is_a_person_already');
    END IF;
    INSERT INTO authority.client (book_id, client_id, token_sha256, scopes, active, added)
    VALUES (book, client, client_token_sha256, add_client.scopes, true, now.sequence);
END $$;

CREATE FUNCTION authority.revoke_client(book integer, event uuid, token_sha256 bytea, client text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, revoke_client.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', 'client:' || client, 'change', 'client revoked',
                                                            'by', who));
    UPDATE authority.client c SET active = false WHERE c.book_id = book AND c.client_id = client AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_is_not_known');
    END IF;
END $$;

-- Who may what: nobody writes a table.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.found_person, authority.found_policy, authority.change_policy,
    authority.change_person, authority.deactivate_person, authority.end_session, authority.change_password,
    authority.enrol_passkey, authority.revoke_passkey, authority.set_code_device, authority.add_client,
    authority.revoke_client
   TO ringfence_core;
-- authority, door: how long what opens it lasts, and who knocks too often.

-- A security administrator sets the limits of the book's door, within the bounds of authority.door_limit.
CREATE FUNCTION authority.set_door_limits(book integer, event uuid, token_sha256 bytea, idle_seconds integer,
                                          session_seconds integer, signature_seconds integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1039);
    who text   := authority.require_administrator(book, set_door_limits.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('idle_seconds', idle_seconds, 'session_seconds', session_seconds,
                                                            'signature_seconds', signature_seconds, 'by', who));
    INSERT INTO authority.door_limit (book_id, idle_seconds, session_seconds, signature_seconds, set_at)
    VALUES (book, set_door_limits.idle_seconds, set_door_limits.session_seconds, set_door_limits.signature_seconds,
            now.sequence)
    ON CONFLICT ON CONSTRAINT door_limit_is_one_a_book DO UPDATE
       SET idle_seconds = excluded.idle_seconds, session_seconds = excluded.session_seconds,
           signature_seconds = excluded.signature_seconds, set_at = excluded.set_at;
END $$;

-- Failed sign-ins from one address, by its SHA-256. A success takes back the one that it was counted for and no other, so
-- that nobody who has a password of his own may guess those of others without end.
CREATE TABLE authority.knock (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    address_sha256  bytea       NOT NULL,
    failures        integer     NOT NULL,
    last_at         timestamptz NOT NULL,
    locked_until    timestamptz NOT NULL,
    CONSTRAINT knock_is_one_an_address PRIMARY KEY (book_id, address_sha256)
);
CREATE INDEX knock_age ON authority.knock (book_id, last_at);

-- Counts an attempt from an address as failed before it is looked at; null, or until when the address is locked, in which
-- case it is not looked at. The 20th failure locks for 2 s, each further one twice as long, at most 15 minutes; after an
-- hour of quiet the count begins anew.
CREATE FUNCTION authority.knock_at(book integer, address_sha256 bytea, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    known authority.knock;
    count integer;
BEGIN
    INSERT INTO authority.knock AS k (book_id, address_sha256, failures, last_at, locked_until)
    VALUES (book, knock_at.address_sha256, 0, at, '-infinity')
    ON CONFLICT ON CONSTRAINT knock_is_one_an_address DO UPDATE SET failures = k.failures
    RETURNING k.* INTO known;
    IF known.locked_until > at THEN
        RETURN known.locked_until;
    END IF;
    count := CASE WHEN known.last_at < at - interval '1 hour' THEN 1 ELSE least(known.failures + 1, 1000000) END;
    UPDATE authority.knock k
       SET failures = count, last_at = at,
           locked_until = CASE WHEN count < 20 THEN '-infinity'::timestamptz
                               ELSE at + least(interval '1 second' * 2 ^ least(count - 19, 20), interval '15 minutes') END
     WHERE k.book_id = book AND k.address_sha256 = knock_at.address_sha256;
    DELETE FROM authority.knock k WHERE k.book_id = book AND k.last_at < at - interval '1 day';
    RETURN NULL;
END $$;

CREATE FUNCTION authority.let_in_from(book integer, address_sha256 bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE authority.knock k
       SET failures = greatest(k.failures - 1, 0),
           locked_until = CASE WHEN k.failures - 1 < 20 THEN '-infinity' ELSE k.locked_until END
     WHERE k.book_id = book AND k.address_sha256 = let_in_from.address_sha256;
$$;

GRANT SELECT ON authority.door_limit TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.set_door_limits, authority.knock_at, authority.let_in_from FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.set_door_limits, authority.knock_at, authority.let_in_from TO ringfence_core;
-- authority, review: somebody looked at who may do what.

-- A review of access: by whom, at which row of the journal, what was found, and the SHA-256 of what was looked at.
CREATE TABLE authority.access_review (
    book_id       integer     NOT NULL,
    sequence      bigint      NOT NULL,
    person_id     text        NOT NULL,
    at            timestamptz NOT NULL,
    findings      integer     NOT NULL,
    state_sha256  bytea       NOT NULL,
    CONSTRAINT access_review_is_at_a_row PRIMARY KEY (book_id, sequence),
    CONSTRAINT access_review_is_by_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT access_review_counts_findings CHECK (findings >= 0),
    CONSTRAINT access_review_names_what_it_saw CHECK (length(state_sha256) = 32)
);
CREATE TRIGGER access_review_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.access_review
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.record_access_review(book integer, event uuid, token_sha256 bytea, findings integer,
                                               state_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1038);
    who text   := authority.require_recorder(book, record_access_review.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', who, 'findings', findings, 'state_sha256', encode(state_sha256, 'hex')));
    INSERT INTO authority.access_review (book_id, sequence, person_id, at, findings, state_sha256)
    VALUES (book, now.sequence, who, now.at, record_access_review.findings, record_access_review.state_sha256);
END $$;

GRANT SELECT ON authority.access_review TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.record_access_review FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.record_access_review TO ringfence_core;
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
-- authority, training: who has completed which course, and since when it no longer counts.
--
-- Which roles require a course, and for how many months a completion is good, is part of the policy: changed by two people,
-- and a proposal is judged by the version that was in force when it was made. A completion is good from its day to the same
-- day so many months later, that day included, in UTC; a month that has no such day ends with its last.

-- A completion is recorded at a row of the journal and perhaps withdrawn at another.
CREATE TABLE authority.completion (
    book_id       integer NOT NULL,
    recorded      bigint  NOT NULL,
    person_id     text    NOT NULL,
    course        text    NOT NULL,
    completed_on  date    NOT NULL,
    recorded_by   text    NOT NULL,
    withdrawn     bigint,
    CONSTRAINT completion_is_recorded_once PRIMARY KEY (book_id, recorded),
    CONSTRAINT completion_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT completion_is_recorded_by_another CHECK (recorded_by <> person_id),
    CONSTRAINT completion_is_withdrawn_later CHECK (withdrawn > recorded)
);
CREATE INDEX completion_person ON authority.completion (book_id, person_id, course);

-- Of a completion nothing changes but that it is withdrawn, once.
CREATE FUNCTION authority.guard_completion() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - 'withdrawn' IS DISTINCT FROM to_jsonb(OLD) - 'withdrawn' OR OLD.withdrawn IS NOT NULL THEN
        RAISE EXCEPTION 'completion keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER completion_is_withdrawn_or_stays BEFORE UPDATE ON authority.completion
    FOR EACH ROW EXECUTE FUNCTION authority.guard_completion();
CREATE TRIGGER completion_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.completion
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- The roles that a person may not use to approve, because a course that they require is not current. `document` is a
-- policy's.
CREATE FUNCTION authority.suspended_roles(book integer, document jsonb, person text, at timestamptz) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(array_agg(DISTINCT role ORDER BY role), '{}')
      FROM jsonb_each(document->'courses') AS required (course, rule), jsonb_array_elements_text(rule->'roles') role
     WHERE NOT EXISTS (
        SELECT FROM authority.completion c
         WHERE c.book_id = book AND c.person_id = person AND c.course = required.course AND c.withdrawn IS NULL
           AND (at AT TIME ZONE 'UTC')::date BETWEEN c.completed_on
               AND (c.completed_on + make_interval(months => (rule->>'months')::integer))::date);
$$;

-- A security administrator or an auditor acts for this function; who it is.
CREATE FUNCTION authority.require_recorder(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    who text := authority.person_of_session(book, require_recorder.token_sha256, at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF NOT authority.roles_of(book, who) && ARRAY['security_admin', 'auditor'] THEN
        PERFORM authority.refuse('person_lacks_the_role');
    END IF;
    RETURN who;
END $$;

CREATE FUNCTION authority.record_completion(book integer, event uuid, token_sha256 bytea, person text, course text,
                                            completed_on date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1036);
    who text   := authority.require_recorder(book, record_completion.token_sha256, now.at);
BEGIN
    IF who = person THEN
        PERFORM authority.refuse('completion_is_recorded_by_another');
    ELSIF NOT EXISTS (SELECT FROM authority.person p WHERE p.book_id = book AND p.person_id = person AND p.active) THEN
        PERFORM authority.refuse('person_must_exist');
    ELSIF NOT EXISTS (SELECT FROM authority.policy p WHERE p.book_id = book
                       AND convert_from(p.document, 'UTF8')::jsonb->'courses' ? record_completion.course) THEN
        PERFORM authority.refuse('course_must_exist', record_completion.course);
    ELSIF record_completion.completed_on > (now.at AT TIME ZONE 'UTC')::date THEN
        PERFORM authority.refuse('completion_is_of_a_day_that_has_come');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', person, 'course', record_completion.course, 'completed_on', record_completion.completed_on, 'by', who));
    INSERT INTO authority.completion (book_id, recorded, person_id, course, completed_on, recorded_by)
    VALUES (book, now.sequence, person, record_completion.course, record_completion.completed_on, who);
END $$;

CREATE FUNCTION authority.withdraw_completion(book integer, event uuid, token_sha256 bytea, recorded bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1037);
    who  text   := authority.require_recorder(book, withdraw_completion.token_sha256, now.at);
    gone record;
BEGIN
    UPDATE authority.completion c SET withdrawn = now.sequence
     WHERE c.book_id = book AND c.recorded = withdraw_completion.recorded AND c.withdrawn IS NULL
    RETURNING c.person_id, c.course INTO gone;
    IF NOT FOUND THEN
        PERFORM authority.refuse('completion_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', gone.person_id, 'course', gone.course, 'completion', withdraw_completion.recorded, 'by', who));
END $$;

GRANT SELECT ON authority.completion
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.guard_completion, authority.suspended_roles, authority.require_recorder,
    authority.record_completion, authority.withdraw_completion FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.record_completion, authority.withdraw_completion TO ringfence_core;
-- authority, origin: who asked for a payment.
--
-- A customer asks by a passkey, which is verified here as every passkey is. A program asks by a signed request. The database cannot check an Ed25519 signature; it insists on what must hold besides:
-- that the request was taken, by a key that somebody else had admitted, and that one order has one origin. The gateway
-- verifies the signature itself, from what the journal and the vault keep of it.

-- A key of a program may ask for payments from the event on that carries a complete proposal out.
CREATE FUNCTION authority.admit_program_key(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1151);
    facts jsonb  := authority.carry_out(book, event, 1151, proposal, 'program_key')->'facts';
BEGIN
    PERFORM authority.must_say(now.said, facts || jsonb_build_object('proposal', proposal));
    UPDATE authority.client_key k SET admitted = now.sequence
     WHERE k.book_id = book AND k.key_id = facts->>'key' AND k.client_id = facts->>'client'
       AND k.public_key = decode(facts->>'public_key', 'hex') AND k.scopes = string_to_array(facts->>'scopes', ' ')
       AND k.expires_at = (facts->>'expires_at')::timestamptz AND k.revoked IS NULL AND k.admitted IS NULL;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_key_must_exist');
    END IF;
END $$;

CREATE TABLE authority.origin (
    book_id   integer NOT NULL REFERENCES ledger.book,
    order_id  uuid    NOT NULL,
    asked_by  text    NOT NULL,
    who       text    NOT NULL,
    sequence  bigint  NOT NULL,
    mandate_id  uuid,
    amount      bigint,
    at          timestamptz,
    CONSTRAINT origin_is_stated_once PRIMARY KEY (book_id, order_id),
    CONSTRAINT origin_is_known CHECK (asked_by IN ('program', 'customer', 'mandate')),
    CONSTRAINT origin_under_a_mandate_is_counted CHECK (num_nulls(mandate_id, amount, at) = CASE asked_by WHEN 'mandate' THEN 0 ELSE 3 END)
);
CREATE INDEX origin_mandate ON authority.origin (book_id, mandate_id, at) WHERE mandate_id IS NOT NULL;
CREATE TRIGGER origin_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.origin
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- The key by which a request was signed that was taken; one that was admitted.
CREATE FUNCTION authority.key_of_request(book integer, request_sha256 bytea) RETURNS authority.client_key
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    key authority.client_key;
BEGIN
    SELECT k.* INTO key FROM authority.signed_request r
      JOIN authority.client_key k USING (book_id, key_id) JOIN authority.client c USING (book_id, client_id)
     WHERE r.book_id = book AND r.request_sha256 = key_of_request.request_sha256 AND k.revoked IS NULL AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('session_is_not_valid', 'no such request was taken');
    ELSIF key.admitted IS NULL THEN
        PERFORM authority.refuse('program_key_is_not_admitted');
    END IF;
    RETURN key;
END $$;

-- A program asked for a payment, by a request that was taken.
CREATE FUNCTION authority.state_program_origin(book integer, event uuid, order_id uuid, request_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1150);
    key authority.client_key := authority.key_of_request(book, state_program_origin.request_sha256);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'order', state_program_origin.order_id, 'asked_by', 'program', 'client', key.client_id, 'key', key.key_id));
    INSERT INTO authority.origin (book_id, order_id, asked_by, who, sequence)
    VALUES (book, state_program_origin.order_id, 'program', 'client:' || key.client_id, now.sequence);
END $$;

-- What a customer's key signs: SHA-256 of exactly the document of the order under a tag of its own, so that a signature is
-- for this amount and this payee, or for nothing (dynamic linking: Delegated Regulation (EU) 2018/389, Article 5).
CREATE FUNCTION authority.order_challenge(document bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to('ringfence customer order v1', 'UTF8') || '\x00' || document);
$$;

-- A customer asked for a payment from the own money, by a passkey over the document; all of it is verified here.
CREATE FUNCTION authority.state_customer_origin(book integer, event uuid, order_id uuid, token_sha256 bytea, document bytea,
    credential bytea, client_data bytea, authenticator_data bytea, signature bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1150);
    terms jsonb  := convert_from(document, 'UTF8')::jsonb;
    who   text   := authority.person_of_session(book, state_customer_origin.token_sha256, now.at);
    whose text   := authority.customer_of(book, who);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF whose IS NULL THEN
        PERFORM authority.refuse('person_lacks_the_role');
    ELSIF NOT terms @> jsonb_build_object('order', state_customer_origin.order_id, 'customer', whose, 'person', who) THEN
        PERFORM authority.refuse('terms_are_not_valid', 'order, customer or person');
    END IF;
    PERFORM authority.require_own_passkey(book, who, credential, client_data, authenticator_data, signature,
                                          authority.order_challenge(document), now.at);
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'order', state_customer_origin.order_id, 'asked_by', 'customer', 'customer', whose, 'person', who)
        || authority.said_of_signature(credential, client_data, authenticator_data, signature,
                                       authority.order_challenge(document)));
    INSERT INTO authority.origin (book_id, order_id, asked_by, who, sequence)
    VALUES (book, state_customer_origin.order_id, 'customer', 'customer:' || who, now.sequence);
END $$;

GRANT SELECT ON authority.origin TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON authority.client_key TO ringfence_notary;
REVOKE ALL ON FUNCTION authority.key_of_request, authority.admit_program_key, authority.state_program_origin, authority.order_challenge,
    authority.state_customer_origin FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.admit_program_key, authority.state_program_origin, authority.state_customer_origin
   TO ringfence_core;
-- authority, customers: logins of customers.

-- A login is one customer's, for good. It is a person of the role `customer`, which goes with no other: whoever works here
-- has another login for the own money.
CREATE TABLE authority.customer_login (
    book_id      integer NOT NULL,
    person_id    text    NOT NULL,
    customer_id  text    NOT NULL,
    bound        bigint  NOT NULL,
    CONSTRAINT customer_login_is_one_customers PRIMARY KEY (book_id, person_id),
    CONSTRAINT customer_login_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT customer_login_names_a_customer CHECK (customer_id ~ '^[a-z0-9][a-z0-9-]{0,39}$')
);
CREATE INDEX customer_login_customer ON authority.customer_login (book_id, customer_id);
CREATE TRIGGER customer_login_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.customer_login
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- Whose money a login is for; null for the staff.
CREATE FUNCTION authority.customer_of(book integer, person text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT l.customer_id FROM authority.customer_login l WHERE l.book_id = book AND l.person_id = person;
$$;

-- The role and the customer go together; nobody of the staff becomes a customer's login, or the other way round.
CREATE FUNCTION authority.require_customer(book integer, person text, roles text[], customer text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    known text := authority.customer_of(book, person);
BEGIN
    IF (customer IS NOT NULL) <> ('customer' = ANY (roles)) OR (known IS NOT NULL AND known IS DISTINCT FROM customer)
       OR (customer IS NOT NULL AND known IS NULL
           AND EXISTS (SELECT FROM authority.person p WHERE p.book_id = book AND p.person_id = person)) THEN
        PERFORM authority.refuse('customer_login_is_one_customers');
    END IF;
END $$;

-- Whether a customer's login signed a challenge by a passkey of its own, which has waited as long as it had to.
CREATE FUNCTION authority.require_own_passkey(book integer, who text, credential bytea, client_data bytea,
    authenticator_data bytea, signature bytea, challenge bytea, at timestamptz) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    key authority.passkey := authority.use_passkey(book, credential, client_data, authenticator_data, signature, challenge,
                                                   at);
BEGIN
    IF key.person_id <> who THEN
        PERFORM authority.refuse('passkey_is_somebody_elses');
    ELSIF at < key.approves_from THEN
        PERFORM authority.refuse('passkey_must_wait');
    END IF;
END $$;

-- What an event says of such a signature.
CREATE FUNCTION authority.said_of_signature(credential bytea, client_data bytea, authenticator_data bytea, signature bytea,
                                            challenge bytea) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT jsonb_build_object('credential', encode(credential, 'hex'), 'challenge', encode(challenge, 'hex'),
        'client_data', encode(client_data, 'hex'), 'authenticator_data', encode(authenticator_data, 'hex'),
        'signature', encode(signature, 'hex'));
$$;

GRANT SELECT ON authority.customer_login
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.customer_of, authority.require_customer, authority.require_own_passkey,
    authority.said_of_signature FROM PUBLIC;
-- authority, mandates: what a customer lets a program ask for.
--
-- A mandate is signed once, by a passkey over its document, which is in the vault because it names payees. Here are its
-- terms as the journal says them. The caps are counted here when a program asks, one after the other for one mandate, and
-- by the gateway again from the journal.

CREATE TABLE authority.mandate (
    book_id      integer     NOT NULL,
    mandate_id   uuid        NOT NULL,
    customer_id  text        NOT NULL,
    person_id    text        NOT NULL,
    client_id    text        NOT NULL,
    purposes     text[]      NOT NULL,
    currency     text        NOT NULL,
    cap          bigint      NOT NULL,
    period_cap   bigint      NOT NULL,
    period_days  integer     NOT NULL,
    expires_at   timestamptz NOT NULL,
    given        bigint      NOT NULL,
    given_at     timestamptz NOT NULL,
    revoked      bigint,
    CONSTRAINT mandate_is_given_once PRIMARY KEY (book_id, mandate_id),
    CONSTRAINT mandate_is_of_a_login FOREIGN KEY (book_id, person_id) REFERENCES authority.customer_login,
    CONSTRAINT mandate_is_for_a_program FOREIGN KEY (book_id, client_id) REFERENCES authority.client,
    CONSTRAINT mandate_is_for_known_purposes
        CHECK (cardinality(purposes) > 0 AND purposes <@ ARRAY['freeze', 'transfer', 'withdrawal']),
    CONSTRAINT mandate_has_caps CHECK (cap > 0 AND period_cap >= cap AND period_days BETWEEN 1 AND 366),
    CONSTRAINT mandate_expires_within_five_years CHECK (expires_at > given_at AND expires_at < given_at + interval '5 years'),
    CONSTRAINT mandate_ends_after_it_began CHECK (revoked > given)
);
CREATE INDEX mandate_customer ON authority.mandate (book_id, customer_id);

CREATE FUNCTION authority.guard_mandate() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - 'revoked' IS DISTINCT FROM to_jsonb(OLD) - 'revoked' OR OLD.revoked IS NOT NULL THEN
        RAISE EXCEPTION 'mandate keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER mandate_moves_forward BEFORE UPDATE ON authority.mandate
    FOR EACH ROW EXECUTE FUNCTION authority.guard_mandate();
CREATE TRIGGER mandate_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.mandate
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- What a customer's key signs: SHA-256 of exactly the document of the mandate, under a tag of its own.
CREATE FUNCTION authority.mandate_challenge(document bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to('ringfence customer mandate v1', 'UTF8') || '\x00' || document);
$$;

-- A customer gives a mandate. Every term follows from the document that the passkey signed.
CREATE FUNCTION authority.give_mandate(book integer, event uuid, token_sha256 bytea, document bytea, credential bytea,
    client_data bytea, authenticator_data bytea, signature bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1152);
    terms jsonb  := convert_from(document, 'UTF8')::jsonb;
    who   text   := authority.person_of_session(book, give_mandate.token_sha256, now.at);
    whose text   := authority.customer_of(book, who);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF whose IS NULL THEN
        PERFORM authority.refuse('person_lacks_the_role');
    ELSIF NOT terms @> jsonb_build_object('customer', whose, 'person', who) THEN
        PERFORM authority.refuse('terms_are_not_valid', 'customer or person');
    ELSIF NOT EXISTS (SELECT FROM authority.client c
                       WHERE c.book_id = book AND c.client_id = terms->>'client' AND c.active) THEN
        PERFORM authority.refuse('client_must_exist', terms->>'client');
    END IF;
    PERFORM authority.require_own_passkey(book, who, credential, client_data, authenticator_data, signature,
                                          authority.mandate_challenge(document), now.at);
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'customer', whose, 'person', who, 'mandate', terms->'mandate', 'client', terms->'client',
        'purposes', terms->'purposes', 'currency', terms->'currency', 'period_days', terms->'period_days',
        'expires_at', terms->'expires_at', 'cap_minor', terms->'cap_minor', 'period_cap_minor', terms->'period_cap_minor')
        || authority.said_of_signature(credential, client_data, authenticator_data, signature,
                                       authority.mandate_challenge(document)));
    INSERT INTO authority.mandate (book_id, mandate_id, customer_id, person_id, client_id, purposes, currency, cap,
                                   period_cap, period_days, expires_at, given, given_at)
    VALUES (book, (terms->>'mandate')::uuid, whose, who, terms->>'client',
            ARRAY(SELECT jsonb_array_elements_text(terms->'purposes')), terms->>'currency',
            (terms->>'cap_minor')::bigint, (terms->>'period_cap_minor')::bigint, (terms->>'period_days')::integer,
            (terms->>'expires_at')::timestamptz, now.sequence, now.at);
END $$;

-- The customer takes a mandate back, at once and alone.
CREATE FUNCTION authority.revoke_mandate(book integer, event uuid, token_sha256 bytea, mandate uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1153);
    who   text   := authority.person_of_session(book, revoke_mandate.token_sha256, now.at);
    whose text   := authority.customer_of(book, who);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    UPDATE authority.mandate m SET revoked = now.sequence
     WHERE m.book_id = book AND m.mandate_id = mandate AND m.customer_id = whose AND m.revoked IS NULL;
    IF NOT FOUND THEN
        PERFORM authority.refuse('mandate_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('mandate', mandate, 'customer', whose, 'person', who));
END $$;

-- A program asked under a mandate. What was ordered under it counts against its caps, also if nothing came of it.
CREATE FUNCTION authority.state_mandate_origin(book integer, event uuid, order_id uuid, request_sha256 bytea, mandate uuid,
                                               purpose text, customer text, currency text, amount bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1150);
    key   authority.client_key := authority.key_of_request(book, state_mandate_origin.request_sha256);
    terms authority.mandate;
    spent numeric;
BEGIN
    SELECT * INTO terms FROM authority.mandate m WHERE m.book_id = book AND m.mandate_id = mandate FOR UPDATE;
    IF NOT FOUND OR terms.customer_id <> customer THEN
        PERFORM authority.refuse('mandate_must_exist');
    ELSIF terms.client_id <> key.client_id THEN
        PERFORM authority.refuse('mandate_is_another_programs');
    ELSIF terms.revoked IS NOT NULL THEN
        PERFORM authority.refuse('mandate_was_revoked');
    ELSIF now.at >= terms.expires_at THEN
        PERFORM authority.refuse('mandate_has_expired');
    ELSIF purpose <> ALL (terms.purposes) OR terms.currency <> state_mandate_origin.currency THEN
        PERFORM authority.refuse('mandate_is_not_for_this');
    ELSIF state_mandate_origin.amount > terms.cap THEN
        PERFORM authority.refuse('mandate_cap_is_exceeded');
    END IF;
    SELECT coalesce(sum(o.amount), 0) INTO spent FROM authority.origin o
     WHERE o.book_id = book AND o.mandate_id = mandate AND o.at > now.at - interval '1 day' * terms.period_days;
    IF spent + state_mandate_origin.amount > terms.period_cap THEN
        PERFORM authority.refuse('mandate_period_cap_is_exceeded');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'order', state_mandate_origin.order_id, 'asked_by', 'mandate', 'mandate', mandate, 'client', key.client_id,
        'key', key.key_id));
    INSERT INTO authority.origin (book_id, order_id, asked_by, who, sequence, mandate_id, amount, at)
    VALUES (book, state_mandate_origin.order_id, 'mandate', 'client:' || key.client_id, now.sequence, mandate,
            state_mandate_origin.amount, now.at);
END $$;

GRANT SELECT ON authority.mandate TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.guard_mandate, authority.mandate_challenge, authority.give_mandate,
    authority.revoke_mandate, authority.state_mandate_origin FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.give_mandate, authority.revoke_mandate, authority.state_mandate_origin
   TO ringfence_core;
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
-- authority, notifications: a person is told when the own means to sign in change, or are used from somewhere else.
--
-- Each is written where the change is written, in the same append, and stays unread until the person says so. The core
-- sends it on as well, where the installation says how; `sent_at` is when that succeeded. Nothing here is secret: what
-- happened, when, and at which row of the journal.

CREATE TABLE authority.notification (
    book_id    integer     NOT NULL,
    number     bigint      GENERATED ALWAYS AS IDENTITY,
    person_id  text        NOT NULL,
    what       text        NOT NULL,
    at         timestamptz NOT NULL,
    sequence   bigint,
    read_at    timestamptz,
    sent_at    timestamptz,
    CONSTRAINT notification_is_unique PRIMARY KEY (book_id, number),
    CONSTRAINT notification_is_for_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT notification_is_known CHECK (what IN ('password_changed', 'password_reset', 'passkey_enrolled',
        'passkey_revoked', 'code_device_set', 'identity_bound', 'identity_released', 'signed_in_elsewhere', 'signed_in_after_failures'))
);
CREATE INDEX notification_person ON authority.notification (book_id, person_id, number);
CREATE INDEX notification_unsent ON authority.notification (book_id, number) WHERE sent_at IS NULL;

-- Of a notification only this moves: it is read once, and sent once.
CREATE FUNCTION authority.guard_notification() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['read_at', 'sent_at'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['read_at', 'sent_at']
       OR (OLD.read_at IS NOT NULL AND NEW.read_at IS DISTINCT FROM OLD.read_at) THEN
        RAISE EXCEPTION 'notification keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER notification_moves_forward BEFORE UPDATE ON authority.notification
    FOR EACH ROW EXECUTE FUNCTION authority.guard_notification();
CREATE TRIGGER notification_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.notification
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.tell(book integer, person text, what text, sequence bigint, at timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO authority.notification (book_id, person_id, what, sequence, at)
    VALUES (book, person, what, tell.sequence, tell.at);
$$;

-- From where a person has signed in: hashes of networks, for a year after the last time.
CREATE TABLE authority.known_place (
    book_id       integer     NOT NULL,
    person_id     text        NOT NULL,
    place_sha256  bytea       NOT NULL,
    last_at       timestamptz NOT NULL,
    CONSTRAINT known_place_is_one_a_person PRIMARY KEY (book_id, person_id, place_sha256),
    CONSTRAINT known_place_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person
);

-- The person of a session came from this place. The first one is nothing to be told of; each further one is.
CREATE FUNCTION authority.came_from(book integer, token_sha256 bytea, place_sha256 bytea, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who       text := authority.person_of_session(book, came_from.token_sha256, at);
    elsewhere boolean;
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    DELETE FROM authority.known_place k
     WHERE k.book_id = book AND k.person_id = who AND k.last_at < at - interval '1 year';
    SELECT count(*) > 0 AND bool_and(k.place_sha256 <> came_from.place_sha256) INTO elsewhere
      FROM authority.known_place k WHERE k.book_id = book AND k.person_id = who;
    INSERT INTO authority.known_place (book_id, person_id, place_sha256, last_at)
    VALUES (book, who, came_from.place_sha256, at)
    ON CONFLICT ON CONSTRAINT known_place_is_one_a_person DO UPDATE SET last_at = excluded.last_at;
    IF elsewhere THEN
        PERFORM authority.tell(book, who, 'signed_in_elsewhere', NULL, at);
    END IF;
    RETURN elsewhere;
END $$;

-- The notifications of the person of a session, the latest first.
CREATE FUNCTION authority.notifications_of(book integer, token_sha256 bytea, at timestamptz, latest integer)
RETURNS TABLE (number bigint, what text, happened_at timestamptz, sequence bigint, read_at timestamptz, sent_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT n.number, n.what, n.at, n.sequence, n.read_at, n.sent_at FROM authority.notification n
     WHERE n.book_id = book AND n.person_id = authority.person_of_session(book, notifications_of.token_sha256,
                                                                         notifications_of.at)
     ORDER BY n.number DESC LIMIT latest;
$$;

-- The person of a session has read the own notifications up to this one; how many were unread.
CREATE FUNCTION authority.read_notifications(book integer, token_sha256 bytea, up_to bigint, at timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH found AS (
        UPDATE authority.notification n SET read_at = read_notifications.at
         WHERE n.book_id = book AND n.number <= up_to AND n.read_at IS NULL
           AND n.person_id = authority.person_of_session(book, read_notifications.token_sha256, read_notifications.at)
        RETURNING 1)
    SELECT count(*) FROM found;
$$;

-- What is to be sent to these people, the oldest first; what is older than a week is of no use any more.
CREATE FUNCTION authority.unsent_notifications(book integer, persons text[], at timestamptz, latest integer)
RETURNS TABLE (number bigint, person_id text, what text, happened_at timestamptz, sequence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT n.number, n.person_id, n.what, n.at, n.sequence FROM authority.notification n
     WHERE n.book_id = book AND n.sent_at IS NULL AND n.person_id = ANY (persons)
       AND n.at > unsent_notifications.at - interval '7 days' ORDER BY n.number LIMIT latest;
$$;

CREATE FUNCTION authority.notification_was_sent(book integer, number bigint, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE authority.notification n SET sent_at = notification_was_sent.at
     WHERE n.book_id = book AND n.number = notification_was_sent.number AND n.sent_at IS NULL;
$$;

-- Who may what: nobody writes a table, and nobody reads what another person is told.
REVOKE ALL ON FUNCTION authority.guard_notification, authority.tell, authority.came_from, authority.notifications_of,
    authority.read_notifications, authority.unsent_notifications, authority.notification_was_sent FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.came_from, authority.notifications_of, authority.read_notifications,
    authority.unsent_notifications, authority.notification_was_sent TO ringfence_core;
-- authority, rule packs: the risk rules of a book, version by version, as people approved them.

-- `document` is the file of rules (TOML), byte for byte; RISK_DECISION says its SHA-256. `lists` are the sanctions lists by
-- name that have to be screened; what stands on them their issuers say, and RISK_DECISION says the SHA-256 of each.
CREATE TABLE authority.rule_pack (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    version         integer     NOT NULL,
    effective_from  timestamptz NOT NULL,
    document        bytea       NOT NULL,
    sha256          bytea       NOT NULL,
    lists           text[]      NOT NULL,
    sequence        bigint      NOT NULL,
    CONSTRAINT rule_pack_version_must_be_next PRIMARY KEY (book_id, version),
    CONSTRAINT rule_pack_hash_is_of_the_document CHECK (sha256 = sha256(document))
);
CREATE TRIGGER rule_pack_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.rule_pack
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.put_rule_pack(book integer, next integer, from_time timestamptz, text bytea, lists text[],
                                        event uuid)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1195);
BEGIN
    IF next <> 1 + (SELECT coalesce(max(r.version), 0) FROM authority.rule_pack r WHERE r.book_id = book)
       OR from_time IS NULL OR from_time < now.at THEN
        PERFORM authority.refuse('rule_pack_version_must_be_next');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('version', next, 'sha256', encode(sha256(text), 'hex'),
                                                            'lists', to_jsonb(put_rule_pack.lists)));
    INSERT INTO authority.rule_pack (book_id, version, effective_from, document, sha256, lists, sequence)
    VALUES (book, next, from_time, text, sha256(text), put_rule_pack.lists, now.sequence);
END $$;

-- The first pack of a book needs nobody; it is in force at once.
CREATE FUNCTION authority.found_rule_pack(book integer, event uuid, document bytea, lists text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1195);
BEGIN
    PERFORM authority.put_rule_pack(book, 1, now.at, document, found_rule_pack.lists, event);
END $$;

-- A further pack is what a complete proposal says.
CREATE FUNCTION authority.change_rule_pack(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1195);
    facts jsonb  := authority.carry_out(book, event, 1195, proposal, 'rule_pack')->'facts';
    words text[] := string_to_array(facts->>'lists', ' ');
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('effective_from', facts->'effective_from',
                                                            'sha256', facts->'sha256', 'proposal', proposal));
    PERFORM authority.put_rule_pack(book, (facts->>'version')::integer,
                                    greatest((facts->>'effective_from')::timestamptz, now.at),
                                    convert_to(facts->>'document', 'UTF8'), words, event);
END $$;

-- Whether a decision of risk is by the pack that is in force at a time: by exactly these rules, and every list that the pack
-- names was screened. Null: the book has no pack.
CREATE FUNCTION authority.is_by_the_pack(book integer, said jsonb, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT (said #>> '{rules,sha256}') IS NOT DISTINCT FROM encode(r.sha256, 'hex')
           AND r.lists <@ ARRAY(SELECT each->>'list' FROM jsonb_array_elements(said->'lists') each)
      FROM authority.rule_pack r WHERE r.book_id = book AND r.effective_from <= at ORDER BY r.version DESC LIMIT 1;
$$;

-- In the append of risk's decision.
CREATE FUNCTION authority.require_rule_pack(book integer, event uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1010);
BEGIN
    IF NOT authority.is_by_the_pack(book, now.said, now.at) THEN
        PERFORM authority.refuse('rules_changed_meanwhile');
    END IF;
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.rule_pack
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.found_rule_pack, authority.change_rule_pack, authority.require_rule_pack
   TO ringfence_core;
-- authority: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('authority');
SELECT ledger.fix_search_paths('authority');
