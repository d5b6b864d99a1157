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
