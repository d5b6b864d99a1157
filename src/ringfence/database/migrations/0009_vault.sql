-- vault: what is personal is kept in cipher, and who looked at it stands in the journal.
--
-- The keys that open a field are here only in wrapped form; what unwraps them is not in the database. Nobody writes a
-- table: the functions below do, and each refuses a key that has been retired or destroyed.
--
--   wrapping key   active → leaving → retired
--   field key      active → leaving → retired, or destroyed; of the last two the wrapped bytes are gone
--
-- Refusals are raised with SQLSTATE RF100 and the rule's name as the constraint.

CREATE SCHEMA vault;

-- One is active at a time; `rotation_id` is the rotation that brought it.
CREATE TABLE vault.wrapping_key (
    book_id      integer     NOT NULL REFERENCES ledger.book,
    wrapping_id  text        NOT NULL,
    provider     text        NOT NULL,
    algorithm    text        NOT NULL,
    state        text        NOT NULL,
    rotation_id  uuid,
    made_at      timestamptz NOT NULL,
    left_at      timestamptz,
    retired_at   timestamptz,
    CONSTRAINT wrapping_key_is_unique PRIMARY KEY (book_id, wrapping_id),
    CONSTRAINT wrapping_key_state_is_known CHECK (state IN ('active', 'leaving', 'retired'))
);
CREATE UNIQUE INDEX one_wrapping_key_is_active ON vault.wrapping_key (book_id) WHERE state = 'active';

CREATE TABLE vault.field_key (
    book_id      integer     NOT NULL REFERENCES ledger.book,
    key_id       uuid        NOT NULL,
    owner        text        NOT NULL,
    algorithm    text        NOT NULL,
    wrapping_id  text        NOT NULL,
    wrapped      bytea,
    state        text        NOT NULL,
    rotation_id  uuid,
    made_at      timestamptz NOT NULL,
    left_at      timestamptz,
    ended_at     timestamptz,
    CONSTRAINT field_key_is_unique PRIMARY KEY (book_id, key_id),
    CONSTRAINT field_key_state_is_known CHECK (state IN ('active', 'leaving', 'retired', 'destroyed')),
    CONSTRAINT field_key_is_gone_when_it_has_ended CHECK ((wrapped IS NULL) = (state IN ('retired', 'destroyed'))),
    FOREIGN KEY (book_id, wrapping_id) REFERENCES vault.wrapping_key (book_id, wrapping_id)
);
CREATE UNIQUE INDEX one_field_key_of_an_owner_is_active ON vault.field_key (book_id, owner) WHERE state = 'active';
CREATE INDEX field_key_state ON vault.field_key (book_id, state, key_id);
CREATE INDEX field_key_wrapping ON vault.field_key (book_id, wrapping_id) WHERE wrapped IS NOT NULL;

-- `place` is schema, table and column; `row_key` what identifies the row there.
CREATE TABLE vault.field (
    book_id  integer NOT NULL,
    place    text    NOT NULL,
    row_key  text    NOT NULL,
    key_id   uuid    NOT NULL,
    sealed   bytea   NOT NULL,
    masked   text    NOT NULL,
    indexed  bytea,
    single   boolean NOT NULL,
    CONSTRAINT field_is_kept_once PRIMARY KEY (book_id, place, row_key),
    FOREIGN KEY (book_id, key_id) REFERENCES vault.field_key (book_id, key_id)
);
CREATE INDEX field_of_key ON vault.field (book_id, key_id);
CREATE INDEX field_by_value ON vault.field (book_id, place, indexed) WHERE indexed IS NOT NULL;
CREATE UNIQUE INDEX value_is_kept_already ON vault.field (book_id, place, indexed) WHERE single;
COMMENT ON COLUMN vault.field.indexed IS 'HMAC-SHA-256 of place and normalised value under index.key';

-- One rotation of a kind is on its way at a time; a crash leaves it open, and the next run goes on with it.
CREATE TABLE vault.rotation (
    book_id      integer     NOT NULL REFERENCES ledger.book,
    rotation_id  uuid        NOT NULL,
    keys         text        NOT NULL,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz,
    CONSTRAINT rotation_is_unique PRIMARY KEY (book_id, rotation_id),
    CONSTRAINT rotation_is_of_known_keys CHECK (keys IN ('wrapping', 'field'))
);
CREATE UNIQUE INDEX one_rotation_is_on_its_way ON vault.rotation (book_id, keys) WHERE ended_at IS NULL;

-- Who saw what, and why. `note` is for colleagues, and not in the journal.
CREATE TABLE vault.reveal (
    book_id    integer     NOT NULL REFERENCES ledger.book,
    sequence   bigint      NOT NULL,
    person_id  text        NOT NULL,
    place      text        NOT NULL,
    row_key    text        NOT NULL,
    reason     text        NOT NULL,
    note       text        NOT NULL,
    at         timestamptz NOT NULL,
    CONSTRAINT reveal_is_unique PRIMARY KEY (book_id, sequence)
);

CREATE TABLE vault.erasure (
    book_id   integer     NOT NULL REFERENCES ledger.book,
    owner     text        NOT NULL,
    sequence  bigint      NOT NULL,
    at        timestamptz NOT NULL,
    CONSTRAINT owner_is_erased_once PRIMARY KEY (book_id, owner)
);

-- 1. Keys -----------------------------------------------------------------------------------------------------------

-- The active wrapping key: the given one, unless a book has one already (and no rotation asks for another).
CREATE FUNCTION vault.add_wrapping_key(book integer, wrapping text, provider text, algorithm text, rotation uuid,
                                       at timestamptz) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    standing vault.wrapping_key;
BEGIN
    SELECT * INTO standing FROM vault.wrapping_key w WHERE w.book_id = book AND w.state = 'active' FOR UPDATE;
    IF FOUND AND (rotation IS NULL OR standing.rotation_id = rotation) THEN
        RETURN standing.wrapping_id;
    END IF;
    UPDATE vault.wrapping_key w SET state = 'leaving', left_at = at WHERE w.book_id = book AND w.state = 'active';
    INSERT INTO vault.wrapping_key (book_id, wrapping_id, provider, algorithm, state, rotation_id, made_at)
    VALUES (book, wrapping, provider, algorithm, 'active', rotation, at)
    ON CONFLICT (book_id) WHERE state = 'active' DO NOTHING;
    RETURN (SELECT w.wrapping_id FROM vault.wrapping_key w WHERE w.book_id = book AND w.state = 'active');
END $$;

CREATE FUNCTION vault.require_wrapping_key(book integer, wrapping text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM vault.wrapping_key w
      WHERE w.book_id = book AND w.wrapping_id = wrapping AND w.state IN ('active', 'leaving') FOR SHARE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('wrapping_key_is_retired');
    END IF;
END $$;

-- The owner's active field key: the given one, unless somebody was faster. Erasure is looked for after the INSERT, which
-- waits for one that is on its way.
CREATE FUNCTION vault.add_field_key(book integer, owner text, key uuid, algorithm text, wrapping text, wrapped bytea,
                                    at timestamptz) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
    PERFORM vault.require_wrapping_key(book, wrapping);
    INSERT INTO vault.field_key (book_id, key_id, owner, algorithm, wrapping_id, wrapped, state, rotation_id, made_at)
    VALUES (book, key, owner, algorithm, wrapping, wrapped, 'active',
            (SELECT r.rotation_id FROM vault.rotation r
              WHERE r.book_id = book AND r.keys = 'field' AND r.ended_at IS NULL), at)
    ON CONFLICT (book_id, owner) WHERE state = 'active' DO NOTHING;
    IF EXISTS (SELECT FROM vault.erasure e WHERE e.book_id = book AND e.owner = add_field_key.owner) THEN
        PERFORM authority.refuse('owner_was_erased');
    END IF;
    RETURN (SELECT k.key_id FROM vault.field_key k
             WHERE k.book_id = book AND k.owner = add_field_key.owner AND k.state = 'active');
END $$;

-- 2. Fields ---------------------------------------------------------------------------------------------------------

CREATE FUNCTION vault.require_field_key(book integer, key uuid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM vault.field_key k
      WHERE k.book_id = book AND k.key_id = key AND k.state IN ('active', 'leaving') FOR SHARE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('field_key_is_retired');
    END IF;
END $$;

-- Keeps a field. What is kept already stays as it is: a sheet of the bank may come twice.
CREATE FUNCTION vault.keep(book integer, place text, row_key text, key uuid, sealed bytea, masked text, indexed bytea,
                           single boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM vault.require_field_key(book, key);
    INSERT INTO vault.field (book_id, place, row_key, key_id, sealed, masked, indexed, single)
    VALUES (book, place, row_key, key, sealed, masked, indexed, single)
    ON CONFLICT ON CONSTRAINT field_is_kept_once DO NOTHING;
END $$;

-- 3. Rotation -------------------------------------------------------------------------------------------------------

-- The rotation that is on its way, or the given one as a new one.
CREATE FUNCTION vault.begin_rotation(book integer, rotation uuid, keys text, at timestamptz) RETURNS uuid
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
#variable_conflict use_column
BEGIN
    INSERT INTO vault.rotation (book_id, rotation_id, keys, began_at) VALUES (book, rotation, keys, at)
    ON CONFLICT (book_id, keys) WHERE ended_at IS NULL DO NOTHING;
    RETURN (SELECT r.rotation_id FROM vault.rotation r
             WHERE r.book_id = book AND r.keys = begin_rotation.keys AND r.ended_at IS NULL);
END $$;

-- Another field key takes the place of an owner's; false: somebody was faster.
CREATE FUNCTION vault.replace_field_key(book integer, was uuid, key uuid, algorithm text, wrapping text, wrapped bytea,
                                        rotation uuid, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    whose text;
BEGIN
    PERFORM vault.require_wrapping_key(book, wrapping);
    UPDATE vault.field_key k SET state = 'leaving', left_at = at
     WHERE k.book_id = book AND k.key_id = was AND k.state = 'active' RETURNING k.owner INTO whose;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO vault.field_key (book_id, key_id, owner, algorithm, wrapping_id, wrapped, state, rotation_id, made_at)
    VALUES (book, key, whose, algorithm, wrapping, wrapped, 'active', rotation, at);
    RETURN true;
END $$;

-- A field under its owner's new key, if it is still what was read; false: somebody was faster, or it was erased.
CREATE FUNCTION vault.reseal(book integer, place text, row_key text, was bytea, key uuid, sealed bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM vault.require_field_key(book, key);
    UPDATE vault.field f SET key_id = key, sealed = reseal.sealed
     WHERE f.book_id = book AND f.place = reseal.place AND f.row_key = reseal.row_key AND f.sealed = was
       AND (SELECT k.owner FROM vault.field_key k WHERE k.book_id = book AND k.key_id = f.key_id)
         = (SELECT k.owner FROM vault.field_key k WHERE k.book_id = book AND k.key_id = key);
    RETURN FOUND;
END $$;

-- A field key under another wrapping key, if it is still what was read.
CREATE FUNCTION vault.rewrap(book integer, key uuid, was bytea, wrapping text, wrapped bytea) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM vault.require_wrapping_key(book, wrapping);
    UPDATE vault.field_key k SET wrapping_id = wrapping, wrapped = rewrap.wrapped
     WHERE k.book_id = book AND k.key_id = key AND k.wrapped = was;
    RETURN FOUND;
END $$;

-- Retires field keys that left before a time and that no field uses: each is locked first and counted after, so that
-- whoever keeps a field under it has either finished or is refused. Returns how many.
CREATE FUNCTION vault.retire_field_keys(book integer, left_before timestamptz, at timestamptz, most integer)
RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    leaving uuid;
    retired integer := 0;
BEGIN
    FOR leaving IN SELECT k.key_id FROM vault.field_key k
                    WHERE k.book_id = book AND k.state = 'leaving' AND k.left_at <= left_before
                    ORDER BY k.key_id LIMIT most FOR UPDATE LOOP
        IF NOT EXISTS (SELECT FROM vault.field f WHERE f.book_id = book AND f.key_id = leaving) THEN
            UPDATE vault.field_key k SET state = 'retired', wrapped = NULL, ended_at = at
             WHERE k.book_id = book AND k.key_id = leaving;
            retired := retired + 1;
        END IF;
    END LOOP;
    RETURN retired;
END $$;

CREATE FUNCTION vault.retire_wrapping_keys(book integer, left_before timestamptz, at timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    leaving text;
    retired integer := 0;
BEGIN
    FOR leaving IN SELECT w.wrapping_id FROM vault.wrapping_key w
                    WHERE w.book_id = book AND w.state = 'leaving' AND w.left_at <= left_before
                    ORDER BY w.wrapping_id FOR UPDATE LOOP
        IF NOT EXISTS (SELECT FROM vault.field_key k
                        WHERE k.book_id = book AND k.wrapping_id = leaving AND k.wrapped IS NOT NULL) THEN
            UPDATE vault.wrapping_key w SET state = 'retired', retired_at = at
             WHERE w.book_id = book AND w.wrapping_id = leaving;
            retired := retired + 1;
        END IF;
    END LOOP;
    RETURN retired;
END $$;

-- A rotation is over, as the event of this append says (KEYS_ROTATED): none of its keys is leaving any more.
CREATE FUNCTION vault.end_rotation(book integer, event uuid, rotation uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1142);
    what text;
BEGIN
    UPDATE vault.rotation r SET ended_at = now.at
     WHERE r.book_id = book AND r.rotation_id = rotation AND r.ended_at IS NULL RETURNING r.keys INTO what;
    PERFORM authority.must_say(now.said, jsonb_build_object('rotation', rotation, 'keys', what));
    IF (what = 'field' AND EXISTS (SELECT FROM vault.field_key k WHERE k.book_id = book AND k.state = 'leaving'))
       OR (what = 'wrapping'
           AND EXISTS (SELECT FROM vault.wrapping_key w WHERE w.book_id = book AND w.state = 'leaving')) THEN
        PERFORM authority.refuse('rotation_is_not_complete');
    END IF;
END $$;

-- 4. Who sees, and what is erased -----------------------------------------------------------------------------------

-- A person sees a value, as the event of this append says (FIELD_REVEALED). Who it is, the session's token says.
CREATE FUNCTION vault.reveal_to(book integer, event uuid, token_sha256 bytea, place text, row_key text, reason text,
                                note text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1140);
    who text   := authority.person_of_session(book, reveal_to.token_sha256, now.at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF NOT authority.roles_of(book, who) && ARRAY['approver', 'risk_officer'] THEN
        PERFORM authority.refuse('person_lacks_the_role');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('field', place, 'row', row_key, 'reason', reason,
                                                            'person', who));
    INSERT INTO vault.reveal (book_id, sequence, person_id, place, row_key, reason, note, at)
    VALUES (book, now.sequence, who, place, row_key, reason, note, now.at);
END $$;

-- The field keys of an owner are destroyed, as the event of this append says (CUSTOMER_ERASED), by a complete proposal
-- that names the customer. Masks and indexes go with them; the ciphertexts stay, and nothing opens them.
CREATE FUNCTION vault.erase(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1141);
    facts jsonb  := authority.carry_out(book, event, 1141, proposal, 'customer_erasure')->'facts';
    whose text   := 'customer:' || (facts->>'customer');
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('proposal', proposal, 'customer', facts->>'customer'));
    INSERT INTO vault.erasure (book_id, owner, sequence, at) VALUES (book, whose, now.sequence, now.at);
    LOOP  -- a rotation that is waited for leaves another key behind, which the next statement sees
        UPDATE vault.field_key k SET state = 'destroyed', wrapped = NULL, ended_at = now.at
         WHERE k.book_id = book AND k.owner = whose AND k.state IN ('active', 'leaving');
        EXIT WHEN NOT FOUND;
    END LOOP;
    UPDATE vault.field f SET masked = '', indexed = NULL, single = false
      FROM vault.field_key k
     WHERE f.book_id = book AND k.book_id = book AND k.key_id = f.key_id AND k.owner = whose;
END $$;

-- 5. Who may what ---------------------------------------------------------------------------------------------------
-- The gateway sees the wrapped keys and, of the fields, the payments that it makes, what was asked of them, and no other.

CREATE VIEW vault.payment AS
SELECT f.book_id, f.place, f.row_key, f.sealed, k.key_id, k.owner, k.algorithm, k.wrapping_id, k.wrapped, k.state,
       w.provider, w.algorithm AS wrap
  FROM vault.field f JOIN vault.field_key k ON k.book_id = f.book_id AND k.key_id = f.key_id
  JOIN vault.wrapping_key w ON w.book_id = k.book_id AND w.wrapping_id = k.wrapping_id
 WHERE f.place IN ('banking.payment_order.payload', 'banking.payment_order.origin');

GRANT USAGE ON SCHEMA vault TO ringfence_core, ringfence_gateway, ringfence_reader, ringfence_auditor;
GRANT SELECT ON vault.wrapping_key, vault.field_key, vault.field, vault.payment, vault.rotation, vault.reveal, vault.erasure
   TO ringfence_core;
GRANT SELECT ON vault.wrapping_key, vault.field_key, vault.payment TO ringfence_gateway;
GRANT SELECT (book_id, place, row_key, key_id, masked) ON vault.field TO ringfence_gateway, ringfence_reader,
                                                                         ringfence_auditor;
GRANT SELECT (book_id, key_id, owner, algorithm, wrapping_id, state, made_at, left_at, ended_at) ON vault.field_key
   TO ringfence_reader, ringfence_auditor;
GRANT SELECT ON vault.wrapping_key, vault.rotation, vault.reveal, vault.erasure TO ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA vault FROM PUBLIC;
GRANT EXECUTE ON FUNCTION vault.add_wrapping_key, vault.begin_rotation, vault.replace_field_key, vault.reseal,
    vault.rewrap, vault.retire_field_keys, vault.retire_wrapping_keys, vault.end_rotation, vault.reveal_to, vault.erase
TO ringfence_core;
GRANT EXECUTE ON FUNCTION vault.add_field_key, vault.keep TO ringfence_core, ringfence_gateway;
-- vault: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('vault');
SELECT ledger.fix_search_paths('vault');
