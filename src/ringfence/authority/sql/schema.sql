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

-- 1. People and their roles -----------------------------------------------------------------------------------------

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
                                                    'security_admin')),
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

-- An administration and the audit stand alone.
CREATE FUNCTION authority.roles_conflict(roles text[]) RETURNS boolean
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT roles && ARRAY['auditor', 'system_admin', 'security_admin']
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

-- 2. Sessions and clients -------------------------------------------------------------------------------------------

CREATE TABLE authority.session (
    book_id       integer     NOT NULL,
    session_id    uuid        NOT NULL,
    token_sha256  bytea       NOT NULL,
    person_id     text        NOT NULL,
    opened_at     timestamptz NOT NULL,
    seen_at       timestamptz NOT NULL,
    ends_at       timestamptz NOT NULL,
    revoked_at    timestamptz,
    CONSTRAINT session_is_unique PRIMARY KEY (book_id, session_id),
    CONSTRAINT session_token_is_unique UNIQUE (book_id, token_sha256),
    CONSTRAINT session_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT session_token_is_a_hash CHECK (length(token_sha256) = 32)
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

-- Who acts: a person by session, a client (`client:…`) by bearer token or signed request, the system itself without a
-- token; else null.
CREATE FUNCTION authority.actor_of(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    RETURN CASE WHEN token_sha256 IS NULL THEN 'system' ELSE coalesce(
        authority.person_of_session(book, actor_of.token_sha256, at),
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
-- 15 minutes. While it is locked no attempt is looked at. `failures` counts those before a success, else all so far.
CREATE FUNCTION authority.try_password(book integer, login text, stretched bytea, at timestamptz,
                                       OUT fits boolean, OUT failures integer, OUT locked_until timestamptz)
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
    fits := authority.password_fits(book, login, stretched);
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

CREATE FUNCTION authority.open_session(book integer, event uuid, login text, stretched bytea, session uuid,
                                       token_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1031);
BEGIN
    IF NOT authority.password_fits(book, login, stretched) THEN
        PERFORM authority.refuse('session_is_not_valid', 'the password does not fit');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', login, 'session', session));
    INSERT INTO authority.session (book_id, session_id, token_sha256, person_id, opened_at, seen_at, ends_at)
    VALUES (book, session, token_sha256, login, now.at, now.at, now.at + interval '12 hours');
END $$;

-- A person is here: who it is, and until when. Seen at most once a minute, so that pages do not write.
CREATE FUNCTION authority.touch_session(book integer, token_sha256 bytea, at timestamptz,
    OUT session_id uuid, OUT person_id text, OUT display_name text, OUT roles text[], OUT opened_at timestamptz,
    OUT ends_at timestamptz, OUT must_change boolean)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who text := authority.person_of_session(book, touch_session.token_sha256, at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    UPDATE authority.session s SET seen_at = at
     WHERE s.book_id = book AND s.token_sha256 = touch_session.token_sha256 AND s.seen_at < at - interval '1 minute';
    SELECT s.session_id, s.person_id, p.display_name, authority.roles_of(book, who), s.opened_at, s.ends_at, w.must_change
      INTO session_id, person_id, display_name, roles, opened_at, ends_at, must_change
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

-- 3. The policy -----------------------------------------------------------------------------------------------------

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

-- {"people": n, "roles": […]} for an act; null if the policy does not know it. The first band that reaches the amount
-- counts; an amount above all bands, or of a currency without bands, falls under `otherwise`.
CREATE FUNCTION authority.required(document jsonb, act text, currency text, amount_minor numeric) RETURNS jsonb
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT coalesce((SELECT band - 'up_to_minor'
                       FROM jsonb_array_elements(document #> ARRAY['acts', act, 'bands', currency]) band
                      WHERE amount_minor <= (band->>'up_to_minor')::numeric
                      ORDER BY (band->>'up_to_minor')::numeric LIMIT 1),
                    document #> ARRAY['acts', act, 'otherwise']);
$$;

-- 4. Proposals and approvals ----------------------------------------------------------------------------------------

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
    CONSTRAINT person_decided_already PRIMARY KEY (book_id, proposal_id, person_id),
    CONSTRAINT approval_event_is_its_own UNIQUE (book_id, sequence),
    CONSTRAINT approval_is_of_a_proposal FOREIGN KEY (book_id, proposal_id) REFERENCES authority.proposal,
    CONSTRAINT approval_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT approval_is_yes_or_no CHECK (decided IN ('approve', 'reject')),
    CONSTRAINT reason_must_be_short CHECK (length(reason) <= 500)
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
    expiry  timestamptz := (terms->>'expires_at')::timestamptz;
BEGIN
    SELECT p.version, p.document INTO policy FROM authority.policy_at(book, now.at) p;
    IF maker IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF policy.version IS NULL THEN
        PERFORM authority.refuse('policy_must_exist');
    ELSIF NOT terms @> jsonb_build_object('form', 'ringfence proposal v1', 'book', book, 'proposal', proposal) THEN
        PERFORM authority.refuse('terms_are_not_valid', 'form, book or proposal');
    ELSIF (terms->>'policy_version')::integer IS DISTINCT FROM policy.version THEN
        PERFORM authority.refuse('policy_has_changed');
    END IF;
    rule := policy.document #> ARRAY['acts', terms->>'act'];
    needed := authority.required(policy.document, terms->>'act', terms->>'currency', (terms->>'amount_minor')::numeric);
    IF needed IS NULL THEN
        PERFORM authority.refuse('act_is_not_in_the_policy', terms->>'act');
    ELSIF (needed->>'people')::integer = 0 THEN
        PERFORM authority.refuse('approval_is_not_required');
    ELSIF NOT rule->'makers' ?| (CASE WHEN maker LIKE 'client:%' THEN ARRAY['client']
                                     WHEN maker = 'system' THEN ARRAY['system']
                                     ELSE authority.roles_of(book, maker) END) THEN
        PERFORM authority.refuse('maker_may_not_make_this');
    ELSIF expiry IS NULL OR expiry <= now.at
          OR expiry > now.at + interval '1 hour' * (rule->>'stands_hours')::integer THEN
        PERFORM authority.refuse('terms_are_not_valid', 'expires_at');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'proposal', proposal, 'act', terms->>'act', 'sha256', encode(sha256(payload), 'hex'), 'maker', maker,
        'people', needed->'people', 'roles', needed->'roles', 'policy_version', policy.version));
    INSERT INTO authority.proposal (book_id, proposal_id, act, order_id, payload, payload_sha256, maker, people, roles,
                                    policy_version, made_at, expires_at, made)
    VALUES (book, proposal, terms->>'act', (terms->>'order')::uuid, payload, sha256(payload), maker,
            (needed->>'people')::integer, ARRAY(SELECT jsonb_array_elements_text(needed->'roles')), policy.version,
            now.at, expiry, now.sequence);
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

-- A person decides. `PROPOSAL_APPROVED` also says the count that it makes; a person who decided in between makes
-- another count, so the event would be wrong, and the caller says it anew.
CREATE FUNCTION authority.decide(book integer, event uuid, token_sha256 bytea, proposal uuid, payload_sha256 bytea,
                                 decision text, reason text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, CASE decision WHEN 'approve' THEN 1021 ELSE 1022 END);
    who    text   := authority.person_of_session(book, decide.token_sha256, now.at);
    needed integer;
    count  integer;
    broken text;
BEGIN
    SELECT p.people INTO needed FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal FOR UPDATE;
    broken := authority.objection(book, decide.token_sha256, proposal, decide.payload_sha256, decision, now.at);
    IF broken IS NOT NULL THEN
        PERFORM authority.refuse(broken);
    END IF;
    SELECT count(*) + CASE decision WHEN 'approve' THEN 1 ELSE 0 END INTO count FROM authority.approval a
     WHERE a.book_id = book AND a.proposal_id = proposal AND a.decided = 'approve';
    IF (now.said->>'count')::integer IS DISTINCT FROM count THEN
        PERFORM authority.refuse('decision_was_counted_meanwhile');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'proposal', proposal, 'person', who, 'sha256', encode(decide.payload_sha256, 'hex')));
    INSERT INTO authority.approval (book_id, proposal_id, person_id, payload_sha256, decided, reason, at, sequence)
    VALUES (book, proposal, who, decide.payload_sha256, decision, decide.reason, now.at, now.sequence);
    IF decision = 'reject' THEN
        UPDATE authority.proposal p SET state = 'rejected' WHERE p.book_id = book AND p.proposal_id = proposal;
    ELSIF count >= needed THEN
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
              AND a.person_id <> asked.maker AND a.payload_sha256 = sha256(asked.payload)) THEN
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

-- 5. Changing people and policy -------------------------------------------------------------------------------------

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
    PERFORM authority.must_say(now.said, jsonb_build_object('version', next, 'sha256', encode(sha256(text), 'hex')));
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
    PERFORM authority.put_policy(book, (facts->>'version')::integer,
                                 greatest((facts->>'effective_from')::timestamptz, now.at),
                                 convert_to(facts->>'document', 'UTF8'), event);
END $$;

-- A person is added, gets other roles or a new password, as a complete proposal says: roles separated by spaces.
CREATE FUNCTION authority.change_person(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1030);
    facts  jsonb  := authority.carry_out(book, event, 1030, proposal, 'person_change')->'facts';
    roles  text[] := string_to_array(facts->>'roles', ' ');
    person text   := facts->>'person';
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'changed', 'roles', to_jsonb(roles),
                                                            'proposal', proposal));
    INSERT INTO authority.person (book_id, person_id, display_name, active, added)
    VALUES (book, person, facts->>'display_name', true, now.sequence)
    ON CONFLICT ON CONSTRAINT person_is_a_person_already DO UPDATE SET display_name = excluded.display_name, active = true;
    PERFORM authority.put_roles(book, person, roles, now.sequence);
    IF facts ? 'verifier' THEN
        PERFORM authority.put_password(book, person, facts || '{"must_change": true}');
        UPDATE authority.session s SET revoked_at = now.at
         WHERE s.book_id = book AND s.person_id = person AND s.revoked_at IS NULL;
    END IF;
END $$;

-- A security administrator ends somebody's roles and sessions at once, alone.
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

-- 6. Who may what ---------------------------------------------------------------------------------------------------
-- Nobody writes a table; nobody reads a password, a decoy, an attempt, or the hash of a token.

GRANT USAGE ON SCHEMA authority TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON authority.person, authority.person_role, authority.policy, authority.proposal, authority.approval
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT (book_id, session_id, person_id, opened_at, seen_at, ends_at, revoked_at) ON authority.session
   TO ringfence_core, ringfence_reader, ringfence_auditor;
GRANT SELECT (book_id, client_id, scopes, active, added) ON authority.client
   TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION
    authority.begin_sign_in, authority.try_password, authority.open_session, authority.touch_session,
    authority.end_own_session, authority.end_session, authority.client_of, authority.make_proposal, authority.objection, authority.decide,
    authority.carry_out, authority.carry_out_standing, authority.found_person, authority.found_policy, authority.change_policy,
    authority.change_person, authority.deactivate_person, authority.change_password, authority.add_client,
    authority.revoke_client
TO ringfence_core;
GRANT EXECUTE ON FUNCTION authority.policy_at, authority.required, authority.door_limits
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
