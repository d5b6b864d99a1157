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
