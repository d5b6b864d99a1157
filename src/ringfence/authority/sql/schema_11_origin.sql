-- authority, origin: who asked for a payment.
--
-- A program asks by a signed request. The database cannot check an Ed25519 signature; it insists on what must hold besides:
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
    CONSTRAINT origin_is_stated_once PRIMARY KEY (book_id, order_id),
    CONSTRAINT origin_is_known CHECK (asked_by IN ('program'))
);
CREATE TRIGGER origin_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.origin
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- A program asked for a payment, by a request that was taken.
CREATE FUNCTION authority.state_program_origin(book integer, event uuid, order_id uuid, request_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1150);
    key authority.client_key;
BEGIN
    SELECT k.* INTO key FROM authority.signed_request r
      JOIN authority.client_key k USING (book_id, key_id) JOIN authority.client c USING (book_id, client_id)
     WHERE r.book_id = book AND r.request_sha256 = state_program_origin.request_sha256 AND k.revoked IS NULL AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('session_is_not_valid', 'no such request was taken');
    ELSIF key.admitted IS NULL THEN
        PERFORM authority.refuse('program_key_is_not_admitted');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'order', state_program_origin.order_id, 'asked_by', 'program', 'client', key.client_id, 'key', key.key_id));
    INSERT INTO authority.origin (book_id, order_id, asked_by, who, sequence)
    VALUES (book, state_program_origin.order_id, 'program', 'client:' || key.client_id, now.sequence);
END $$;

GRANT SELECT ON authority.origin TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON authority.client_key TO ringfence_notary;
REVOKE ALL ON FUNCTION authority.admit_program_key, authority.state_program_origin FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.admit_program_key, authority.state_program_origin TO ringfence_core;
