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

GRANT SELECT ON authority.customer_login
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.customer_of, authority.require_customer FROM PUBLIC;
