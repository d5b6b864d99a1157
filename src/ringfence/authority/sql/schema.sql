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
