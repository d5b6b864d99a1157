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
