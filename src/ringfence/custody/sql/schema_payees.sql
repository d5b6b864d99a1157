-- custody, payees: to which accounts may a customer be paid, and since when?
--
-- A payee is proposed (the account is a field of the vault), added when people have agreed, removed by one person. When,
-- and that it was so, stands in the journal: each function is called in the append of its event and writes what that says.
-- Refusals are raised with SQLSTATE RF100 and the rule's name as the constraint.

CREATE TABLE custody.payee (
    book_id      integer     NOT NULL REFERENCES ledger.book,
    payee_id     uuid        NOT NULL,
    customer_id  text        NOT NULL,
    sha256       text        NOT NULL,
    maker        text        NOT NULL,
    proposed_at  timestamptz NOT NULL,
    added        bigint,
    added_at     timestamptz,
    removed      bigint,
    removed_at   timestamptz,
    removed_by   text,
    registered   boolean     NOT NULL,
    CONSTRAINT payee_is_known_already PRIMARY KEY (book_id, payee_id),
    CONSTRAINT payee_hash_is_hexadecimal CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    CONSTRAINT payee_is_added_in_a_row CHECK (num_nulls(added, added_at) IN (0, 2)),
    CONSTRAINT payee_is_removed_in_a_row CHECK (num_nulls(removed, removed_at, removed_by) IN (0, 3)),
    CONSTRAINT payee_is_removed_after_it_was_added CHECK (removed > added),
    FOREIGN KEY (book_id, customer_id) REFERENCES custody.customer (book_id, customer_id)
);
CREATE INDEX payee_customer ON custody.payee (book_id, customer_id, proposed_at);

-- Whom an order pays.
CREATE TABLE custody.order_payee (
    book_id   integer NOT NULL,
    order_id  uuid    NOT NULL,
    payee_id  uuid    NOT NULL,
    CONSTRAINT order_has_one_payee PRIMARY KEY (book_id, order_id),
    FOREIGN KEY (book_id, order_id) REFERENCES custody."order" (book_id, order_id),
    FOREIGN KEY (book_id, payee_id) REFERENCES custody.payee (book_id, payee_id)
);
CREATE INDEX order_payee_payee ON custody.order_payee (book_id, payee_id);

-- The account that a customer is registered with, as PAYEE_ADDED of this append says.
CREATE FUNCTION custody.found_payee(book integer, event uuid, payee uuid, customer text, sha256 text, maker text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1160);
BEGIN
    IF EXISTS (SELECT FROM custody.payee p WHERE p.book_id = book AND p.customer_id = customer) THEN
        PERFORM authority.refuse('payee_must_be_approved');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'payee', payee, 'customer', customer, 'sha256', found_payee.sha256, 'proposal', NULL, 'maker', maker));
    INSERT INTO custody.payee (book_id, payee_id, customer_id, sha256, maker, proposed_at, added, added_at,
                               registered)
    VALUES (book, payee, customer, found_payee.sha256, maker, now.at, now.sequence, now.at, true);
END $$;

-- A payee that people are asked about: `event` is PROPOSAL_MADE of this append.
CREATE FUNCTION custody.propose_payee(book integer, event uuid, proposal uuid, payee uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1020);
    asked record;
BEGIN
    SELECT p.maker, p.act, convert_from(p.payload, 'UTF8')::jsonb->'facts' AS facts INTO asked
      FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal AND p.made = now.sequence;
    IF asked.act IS DISTINCT FROM 'new_payee' OR asked.facts->>'payee' IS DISTINCT FROM payee::text THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'no proposal of this payee');
    END IF;
    INSERT INTO custody.payee (book_id, payee_id, customer_id, sha256, maker, proposed_at, registered)
    VALUES (book, payee, asked.facts->>'customer', asked.facts->>'payee_sha256', asked.maker, now.at, false);
END $$;

-- A payee is added, as a complete proposal and PAYEE_ADDED of this append say.
CREATE FUNCTION custody.add_payee(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1160);
    facts jsonb  := authority.carry_out(book, event, 1160, proposal, 'new_payee')->'facts';
BEGIN
    IF EXISTS (SELECT FROM vault.field f
                 JOIN vault.field g ON g.book_id = f.book_id AND g.place = f.place AND g.indexed = f.indexed
                 JOIN custody.payee p ON p.book_id = g.book_id AND p.payee_id::text = g.row_key
                WHERE f.book_id = book AND f.place = 'custody.payee.account' AND f.row_key = facts->>'payee'
                  AND p.customer_id = facts->>'customer' AND p.added IS NOT NULL AND p.removed IS NULL) THEN
        PERFORM authority.refuse('payee_is_known_already');
    END IF;
    UPDATE custody.payee p SET added = now.sequence, added_at = now.at
     WHERE p.book_id = book AND p.payee_id = (facts->>'payee')::uuid AND p.added IS NULL;
    IF NOT FOUND THEN
        PERFORM authority.refuse('payee_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'payee', facts->'payee', 'customer', facts->'customer', 'sha256', facts->'payee_sha256', 'proposal', proposal,
        'maker', (SELECT p.maker FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal)));
END $$;

-- Somebody removes a payee, alone and at once, as PAYEE_REMOVED of this append says; not while the bank is being asked to
-- pay it, because what has been ordered cannot be called back from here.
CREATE FUNCTION custody.remove_payee(book integer, event uuid, token_sha256 bytea, payee uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1161);
    who   text   := authority.actor_of(book, remove_payee.token_sha256, now.at);
    whose text;
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF EXISTS (SELECT FROM custody.order_payee l JOIN custody."order" o ON o.book_id = l.book_id AND o.order_id = l.order_id
                   WHERE l.book_id = book AND l.payee_id = payee AND o.state IN ('released', 'sent')) THEN
        PERFORM authority.refuse('payee_is_being_paid');
    END IF;
    UPDATE custody.payee p SET removed = now.sequence, removed_at = now.at, removed_by = who
     WHERE p.book_id = book AND p.payee_id = payee AND p.added IS NOT NULL AND p.removed IS NULL
    RETURNING p.customer_id INTO whose;
    IF NOT FOUND OR (who LIKE 'customer:%'
                     AND authority.customer_of(book, substr(who, 10)) IS DISTINCT FROM whose) THEN
        PERFORM authority.refuse('payee_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('payee', payee, 'customer', whose, 'by', who));
END $$;

-- What has been let go to a payee: everything but what waits or was given up before the bank was asked.
CREATE FUNCTION custody.let_go_to(book integer, payee uuid) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT coalesce(sum(o.amount), 0)::bigint
      FROM custody.order_payee l JOIN custody."order" o ON o.book_id = l.book_id AND o.order_id = l.order_id
     WHERE l.book_id = book AND l.payee_id = payee
       AND o.state IN ('released', 'sent', 'settled', 'failed', 'returned');
$$;

-- An order is let go in this append (`event` is its PAYMENT_ORDERED): its payee stands, with this amount what has been let
-- go there is what the caller counted with, and a new payee has no more than the policy of this moment lets. Appends of a book come one after the other, so two orders cannot both take
-- the last of what a new payee may have.
CREATE FUNCTION custody.let_go(book integer, event uuid, which uuid, let_go_before bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1040);
    paying record;
    rule   jsonb;
BEGIN
    SELECT p.payee_id, p.removed, p.added_at, p.registered, o.amount, o.state, o.currency INTO paying
      FROM custody.order_payee l JOIN custody.payee p ON p.book_id = l.book_id AND p.payee_id = l.payee_id
      JOIN custody."order" o ON o.book_id = l.book_id AND o.order_id = l.order_id
     WHERE l.book_id = book AND l.order_id = which AND p.added < now.sequence;
    IF NOT FOUND OR paying.removed IS NOT NULL THEN
        PERFORM authority.refuse('payee_must_exist');
    ELSIF paying.state <> 'released' OR custody.let_go_to(book, paying.payee_id) <> let_go_before + paying.amount THEN
        PERFORM authority.refuse('payee_was_paid_meanwhile');
    END IF;
    SELECT coalesce(p.document #> ARRAY['cooling_off', 'currencies', paying.currency],
                    p.document #> '{cooling_off,otherwise}') INTO rule FROM authority.policy_at(book, now.at) p;
    IF NOT paying.registered AND let_go_before + paying.amount > (rule->>'above_minor')::numeric
       AND now.at < paying.added_at + interval '1 hour' * (rule->>'wait_hours')::integer THEN
        PERFORM authority.refuse('payee_was_paid_meanwhile');
    END IF;
END $$;

GRANT SELECT ON custody.payee, custody.order_payee TO ringfence_core, ringfence_reader, ringfence_auditor;
GRANT INSERT ON custody.order_payee TO ringfence_core;
REVOKE ALL ON FUNCTION custody.found_payee, custody.propose_payee, custody.add_payee, custody.remove_payee,
    custody.let_go_to, custody.let_go FROM PUBLIC;
GRANT EXECUTE ON FUNCTION custody.found_payee, custody.propose_payee, custody.add_payee, custody.remove_payee,
    custody.let_go_to, custody.let_go TO ringfence_core;
