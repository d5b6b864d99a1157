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
