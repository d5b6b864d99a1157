-- escrow: money that waits for a condition.
--
-- An agreement's row has the document and says where it stands; everything that was said about it stands in the journal.
-- Nobody writes a table: the functions below do, each in the append of the event that says the same. Who speaks is kept
-- by the SHA-256 of a token, never by a name that the caller gives.
--
-- The database does not evaluate conditions: the core does before it appends, the notary before it signs, and a stranger
-- after that. What is insisted on here is that the document never changes, that each fact is said by who is named for it,
-- that a tranche ends once, on the facts that were looked at, with the money that is said, and with the people's leave that
-- the policy asks for.
--
-- Refusals are raised with SQLSTATE RF100 and the rule's name as the constraint.

CREATE SCHEMA escrow;

CREATE TABLE escrow.agreement (
    book_id       integer     NOT NULL REFERENCES ledger.book,
    agreement_id  uuid        NOT NULL,
    document      bytea       NOT NULL,
    sha256        bytea       NOT NULL,
    payer         text        NOT NULL,
    currency      text        NOT NULL,
    amount        bigint      NOT NULL,
    reference     text        NOT NULL,
    maker         text        NOT NULL,
    state         text        NOT NULL,
    because       text        NOT NULL DEFAULT '',
    proposed      bigint      NOT NULL,
    agreed        bigint,
    last_fact     bigint      NOT NULL,
    expires_at    timestamptz NOT NULL,
    proposed_at   timestamptz NOT NULL,
    moved_at      timestamptz NOT NULL,
    look_at       timestamptz NOT NULL,
    CONSTRAINT agreement_is_proposed_once PRIMARY KEY (book_id, agreement_id),
    CONSTRAINT agreement_hash_is_of_the_document CHECK (sha256 = sha256(document)),
    CONSTRAINT agreement_amount_is_positive CHECK (amount > 0),
    CONSTRAINT agreement_reference_is_short CHECK (length(reference) <= 140),
    CONSTRAINT agreement_state_is_known CHECK (state IN ('refused', 'awaiting_approval', 'in_force', 'called_off', 'ended')),
    FOREIGN KEY (book_id, payer) REFERENCES custody.customer (book_id, customer_id)
);
CREATE INDEX agreement_proposed ON escrow.agreement (book_id, proposed_at, agreement_id);
CREATE INDEX agreement_to_look_at ON escrow.agreement (book_id, look_at) WHERE state IN ('awaiting_approval', 'in_force');
COMMENT ON COLUMN escrow.agreement.last_fact IS 'the last row of the journal that says something about it';
COMMENT ON COLUMN escrow.agreement.look_at IS 'when the core looks at it again by itself: a schedule, nothing rests on it';

CREATE TABLE escrow.tranche (
    book_id       integer NOT NULL,
    agreement_id  uuid    NOT NULL,
    name          text    NOT NULL,
    place         integer NOT NULL,
    amount        bigint  NOT NULL,
    state         text    NOT NULL,
    paid          bigint,
    ended         bigint,
    CONSTRAINT tranche_is_unique PRIMARY KEY (book_id, agreement_id, name),
    CONSTRAINT tranche_state_is_known CHECK (state IN ('held', 'released', 'returned')),
    CONSTRAINT tranche_ends_in_a_row CHECK ((state = 'held') = (ended IS NULL)),
    CONSTRAINT tranche_pays_no_more_than_it_has CHECK (paid BETWEEN 0 AND amount),
    FOREIGN KEY (book_id, agreement_id) REFERENCES escrow.agreement (book_id, agreement_id)
);
COMMENT ON COLUMN escrow.tranche.paid IS 'what the payees got, in minor units; of a returned tranche nothing';

-- Which hold of the ledger is whose money of which tranche.
CREATE TABLE escrow.holding (
    book_id       integer NOT NULL,
    hold          uuid    NOT NULL,
    order_id      uuid    NOT NULL,
    agreement_id  uuid    NOT NULL,
    tranche       text    NOT NULL,
    customer_id   text    NOT NULL,
    amount        bigint  NOT NULL,
    CONSTRAINT holding_is_unique PRIMARY KEY (book_id, hold),
    CONSTRAINT holding_has_an_order_of_its_own UNIQUE (book_id, order_id),
    FOREIGN KEY (book_id, agreement_id, tranche) REFERENCES escrow.tranche (book_id, agreement_id, name),
    FOREIGN KEY (book_id, customer_id) REFERENCES custody.customer (book_id, customer_id)
);
CREATE INDEX holding_of_agreement ON escrow.holding (book_id, agreement_id);

-- What parties said: a row here for each row of the journal, written only with the speaker's token. `reason` is for
-- people, and not in the journal.
CREATE TABLE escrow.fact (
    book_id       integer NOT NULL,
    sequence      bigint  NOT NULL,
    agreement_id  uuid    NOT NULL,
    code          integer NOT NULL,
    party         text    NOT NULL,
    said_by       text    NOT NULL,
    milestone     text,
    claim         uuid,
    tranche       text,
    payees_get    bigint,
    reason        text    NOT NULL,
    CONSTRAINT fact_is_unique PRIMARY KEY (book_id, sequence),
    CONSTRAINT fact_is_of_a_known_kind CHECK (code IN (1172, 1173, 1174)),
    CONSTRAINT reason_of_a_claim_is_short CHECK (length(reason) <= 500),
    FOREIGN KEY (book_id, agreement_id) REFERENCES escrow.agreement (book_id, agreement_id)
);
CREATE UNIQUE INDEX milestone_is_approved_already ON escrow.fact (book_id, agreement_id, milestone, party) WHERE code = 1172;
CREATE UNIQUE INDEX claim_is_open_already ON escrow.fact (book_id, agreement_id, claim) WHERE code = 1173;
CREATE INDEX fact_of_agreement ON escrow.fact (book_id, agreement_id, sequence);

-- Nothing here is deleted. Of an agreement the document and what follows from it never change, of a holding and a fact
-- nothing does.
CREATE FUNCTION escrow.guard_agreement() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['state', 'because', 'agreed', 'last_fact', 'moved_at', 'look_at'] IS DISTINCT FROM
       to_jsonb(OLD) - ARRAY['state', 'because', 'agreed', 'last_fact', 'moved_at', 'look_at']
       OR NEW.last_fact < OLD.last_fact OR (OLD.state <> NEW.state AND (OLD.state, NEW.state) NOT IN (
           ('awaiting_approval', 'in_force'), ('awaiting_approval', 'called_off'), ('in_force', 'ended'))) THEN
        RAISE EXCEPTION 'agreement keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER agreement_moves_forward BEFORE UPDATE ON escrow.agreement
    FOR EACH ROW EXECUTE FUNCTION escrow.guard_agreement();
CREATE TRIGGER agreement_keeps_its_history BEFORE DELETE OR TRUNCATE ON escrow.agreement
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();
CREATE TRIGGER tranche_keeps_its_history BEFORE DELETE OR TRUNCATE ON escrow.tranche
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();
CREATE TRIGGER holding_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON escrow.holding
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();
CREATE TRIGGER fact_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON escrow.fact
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- The rows of this append that refer to a hold of an agreement's tranche, or are one: kind, hold and amount.
CREATE FUNCTION escrow.money_now(book integer, agreement uuid, tranche_name text)
RETURNS TABLE (kind smallint, hold uuid, amount bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT j.kind, h.hold, j.amount
      FROM escrow.holding h
      JOIN ledger.head b ON b.book_id = h.book_id AND b.append_by = pg_current_xact_id_if_assigned()
      JOIN ledger.journal j ON j.book_id = h.book_id AND j.sequence >= b.append_from
                           AND (j.id = h.hold AND j.kind = 2 OR j.refers_to = h.hold AND j.kind IN (3, 4))
     WHERE h.book_id = book AND h.agreement_id = agreement AND h.tranche = tranche_name;
$$;

-- An agreement as it stands, locked; it has to be in this state.
CREATE FUNCTION escrow.standing(book integer, agreement uuid, wanted text) RETURNS escrow.agreement
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    kept escrow.agreement;
BEGIN
    SELECT * INTO kept FROM escrow.agreement a WHERE a.book_id = book AND a.agreement_id = agreement FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('agreement_must_exist');
    ELSIF kept.state <> wanted THEN
        PERFORM authority.refuse(CASE wanted WHEN 'in_force' THEN 'agreement_is_not_in_force'
                                             ELSE 'agreement_is_not_waiting' END);
    END IF;
    RETURN kept;
END $$;

-- Proposes an agreement: everything follows from the document's bytes; only the maker is kept by token. Of one that risk
-- refused nothing is held. `holds` of the event are the rows that hold the money, in the same append.
CREATE FUNCTION escrow.propose(book integer, event uuid, token_sha256 bytea, document bytea, reference text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now       record := authority.said_now(book, event, 1170);
    terms     jsonb  := convert_from(document, 'UTF8')::jsonb;
    maker     text   := authority.actor_of(book, propose.token_sha256, now.at);
    agreement uuid   := (terms->>'agreement')::uuid;
BEGIN
    IF maker IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF (terms->>'expires_at')::timestamptz <= now.at THEN
        PERFORM authority.refuse('agreement_must_expire_later');
    ELSIF EXISTS (SELECT FROM custody."order" o WHERE o.book_id = book AND o.order_id = agreement) THEN
        PERFORM authority.refuse('agreement_id_is_an_orders');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('agreement', agreement, 'document', terms, 'maker', maker,
        'sha256', encode(sha256(document), 'hex'),
        'state', CASE now.said->>'state' WHEN 'refused' THEN 'refused' ELSE 'awaiting_approval' END));
    INSERT INTO escrow.agreement (book_id, agreement_id, document, sha256, payer, currency, amount, reference, maker, state,
                                  proposed, last_fact, expires_at, proposed_at, moved_at, look_at)
    VALUES (book, agreement, document, sha256(document), terms->>'payer', terms->>'currency',
            (terms->>'amount_minor')::bigint, propose.reference, maker, now.said->>'state', now.sequence, now.sequence,
            (terms->>'expires_at')::timestamptz, now.at, now.at, now.at);
    IF now.said->>'state' = 'refused' THEN
        RETURN;
    END IF;
    INSERT INTO escrow.tranche (book_id, agreement_id, name, place, amount, state)
    SELECT book, agreement, t.value->>'name', t.ordinality,
           (SELECT sum((p->>'amount_minor')::bigint) FROM jsonb_array_elements(t.value->'payees') p), 'held'
      FROM jsonb_array_elements(terms->'tranches') WITH ORDINALITY t;
    INSERT INTO escrow.holding (book_id, hold, order_id, agreement_id, tranche, customer_id, amount)
    SELECT book, (h->>'hold')::uuid, (h->>'order')::uuid, agreement, h->>'tranche', h->>'customer',
           (h->>'amount_minor')::bigint FROM jsonb_array_elements(now.said->'holds') h;
    IF EXISTS (SELECT t.value->>'name', p->>'customer', (p->>'amount_minor')::bigint
                 FROM jsonb_array_elements(terms->'tranches') t, jsonb_array_elements(t.value->'payees') p
               EXCEPT
               SELECT h.tranche, h.customer_id, h.amount
                 FROM escrow.holding h, escrow.money_now(book, agreement, h.tranche) m
                WHERE h.book_id = book AND h.agreement_id = agreement AND m.hold = h.hold AND m.kind = 2
                  AND m.amount = h.amount) THEN
        PERFORM authority.refuse('money_must_be_what_is_said');
    END IF;
END $$;

-- Spends the proposal of an act about an agreement, if the policy in force asks people about this amount; what they
-- approved has to be these facts. Returns nothing; the event says the proposal.
CREATE FUNCTION escrow.require_leave(book integer, event uuid, number integer, at timestamptz, proposal uuid, act text,
                                     asked escrow.agreement, amount bigint, expected jsonb) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    terms  jsonb;
    needed jsonb;
BEGIN
    IF proposal IS NULL THEN
        needed := (SELECT authority.required(p.document, act, asked.currency, amount, at, NULL)
                     FROM authority.policy_at(book, at) p);  -- risk scores the holds, not the agreement: it counts as the worst
        IF needed IS NULL OR (needed->>'people')::integer > 0 THEN
            PERFORM authority.refuse('amount_needs_approval');
        END IF;
    ELSE
        terms := authority.carry_out(book, event, number, proposal, act);
        IF NOT terms @> jsonb_build_object('order', asked.agreement_id, 'amount_minor', amount::text,
                                           'currency', asked.currency)
           OR NOT (terms->'facts') @> (expected || jsonb_build_object('agreement_sha256', encode(asked.sha256, 'hex'))) THEN
            PERFORM authority.refuse('proposal_is_about_something_else');
        END IF;
    END IF;
END $$;

-- Puts an agreement in force: people approved exactly its document, where the policy asks them, and released each order
-- of it that the risk rules hold.
CREATE FUNCTION escrow.agree(book integer, event uuid, agreement uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record           := authority.said_now(book, event, 1171);
    kept escrow.agreement := escrow.standing(book, agreement, 'awaiting_approval');
    held  uuid;
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('agreement', agreement, 'proposal', proposal,
                                                            'sha256', encode(kept.sha256, 'hex')));
    PERFORM escrow.require_leave(book, event, 1171, now.at, proposal, 'escrow_agreement', kept, kept.amount, '{}');
    FOR held IN SELECT p.proposal_id FROM escrow.holding h
                  JOIN authority.proposal p ON p.book_id = h.book_id AND p.order_id = h.order_id AND p.act = 'hold_release'
                 WHERE h.book_id = book AND h.agreement_id = agreement ORDER BY p.made LOOP
        PERFORM authority.carry_out(book, event, 1171, held, 'hold_release');
    END LOOP;
    UPDATE escrow.agreement a SET state = 'in_force', agreed = now.sequence, moved_at = now.at, look_at = now.at
     WHERE a.book_id = book AND a.agreement_id = agreement;
END $$;

-- An agreement that waits comes to nothing, and its money is released in the same append.
CREATE FUNCTION escrow.call_off(book integer, event uuid, agreement uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record           := authority.said_now(book, event, 1177);
    kept escrow.agreement := escrow.standing(book, agreement, 'awaiting_approval');
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('agreement', agreement));
    IF EXISTS (SELECT FROM escrow.holding h WHERE h.book_id = book AND h.agreement_id = agreement
                  AND NOT EXISTS (SELECT FROM escrow.money_now(book, agreement, h.tranche) m
                                   WHERE m.hold = h.hold AND m.kind = 4)) THEN
        PERFORM authority.refuse('money_must_be_what_is_said');
    END IF;
    UPDATE escrow.tranche t SET state = 'returned', paid = 0, ended = now.sequence
     WHERE t.book_id = book AND t.agreement_id = agreement;
    UPDATE escrow.agreement a SET state = 'called_off', because = now.said->>'because', moved_at = now.at
     WHERE a.book_id = book AND a.agreement_id = agreement;
END $$;

-- What a customer's key signs to speak as a party: SHA-256 of exactly the document, under a tag of its own.
CREATE FUNCTION escrow.word_challenge(document bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to('ringfence escrow word v1', 'UTF8') || '\x00' || document);
$$;

-- Whether a customer's login signed what the event says, and nothing else, by a passkey of its own; gives the customer.
CREATE FUNCTION escrow.require_signed_word(book integer, at timestamptz, said jsonb, number integer, who text, kept escrow.agreement,
    document bytea, credential bytea, client_data bytea, authenticator_data bytea, signature bytea) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    word  jsonb := convert_from(document, 'UTF8')::jsonb;
    whose text  := authority.customer_of(book, who);
BEGIN
    IF document IS NULL THEN
        PERFORM authority.refuse('party_must_sign');
    END IF;
    PERFORM authority.require_own_passkey(book, who, credential, client_data, authenticator_data, signature,
                                          escrow.word_challenge(document), at);
    IF NOT word @> jsonb_build_object('agreement', kept.agreement_id, 'agreement_sha256', encode(kept.sha256, 'hex'),
                                         'customer', whose, 'person', who, 'event', number)
          OR coalesce(jsonb_typeof(word->'says'), '') <> 'object' OR NOT said @> (word->'says') THEN
        PERFORM authority.refuse('party_must_sign');
    END IF;
    PERFORM authority.must_say(said, jsonb_build_object(
        'document', convert_from(document, 'UTF8'), 'customer', whose, 'person', who)
        || authority.said_of_signature(credential, client_data, authenticator_data, signature,
                                       escrow.word_challenge(document)));
    RETURN whose;
END $$;

-- A party says something about an agreement in force. Which party, and what, the event says; who speaks, the token does:
-- a person for himself, a program for itself and for customers, a customer's login for the customer by a passkey.
CREATE FUNCTION escrow.say(book integer, event uuid, number integer, token_sha256 bytea, agreement uuid, reason text,
    document bytea, credential bytea, client_data bytea, authenticator_data bytea, signature bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now      record           := authority.said_now(book, event, number);
    kept    escrow.agreement := escrow.standing(book, agreement, 'in_force');
    terms    jsonb            := convert_from(kept.document, 'UTF8')::jsonb;
    speaker  text             := authority.actor_of(book, say.token_sha256, now.at);
    party    text             := now.said->>'party';
    identity text             := terms->'parties'->>party;
    whose    text;
    opened   escrow.fact;
    settled  bigint;
BEGIN
    IF say.token_sha256 IS NULL OR speaker IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('agreement', agreement, 'by', speaker));
    IF NOT (CASE number
              WHEN 1172 THEN jsonb_path_exists(terms->'tranches',
                                 '$.**{1 to last} ? (@.milestone == $milestone).parties[*] ? (@ == $party)', now.said)
              WHEN 1173 THEN jsonb_path_exists(terms, '$.claims.by[*] ? (@ == $party)', now.said)
              WHEN 1174 THEN jsonb_path_exists(terms, '$.claims.arbiters[*] ? (@ == $party)', now.said)
              ELSE false END) THEN
        PERFORM authority.refuse('party_must_be_named');
    END IF;
    IF speaker LIKE 'customer:%' THEN
        whose := escrow.require_signed_word(book, now.at, now.said, number, substr(speaker, 10), kept, document, credential,
                                            client_data, authenticator_data, signature);
    END IF;
    IF NOT (CASE WHEN whose IS NOT NULL THEN identity = 'customer:' || whose
                 ELSE identity = 'person:' || speaker OR identity = speaker
                      OR identity LIKE 'customer:%' AND speaker LIKE 'client:%' END) THEN
        PERFORM authority.refuse('party_must_speak_for_itself');
    END IF;
    IF number = 1173 THEN
        SELECT t.ended INTO settled FROM escrow.tranche t
         WHERE t.book_id = book AND t.agreement_id = agreement AND t.name = now.said->>'tranche';
        IF NOT FOUND THEN
            PERFORM authority.refuse('tranche_must_exist');
        ELSIF settled IS NOT NULL THEN
            PERFORM authority.refuse('tranche_has_ended');
        END IF;
    ELSIF number = 1174 THEN
        SELECT * INTO opened FROM escrow.fact f
         WHERE f.book_id = book AND f.agreement_id = agreement AND f.code = 1173 AND f.claim = (now.said->>'claim')::uuid;
        IF NOT FOUND OR escrow.is_settled(book, agreement, opened.claim, (terms#>>'{claims,needed}')::integer) THEN
            PERFORM authority.refuse('claim_must_be_open');
        ELSIF now.said->>'payees_get' !~ '^(0|[1-9][0-9]{0,18})$' OR (now.said->>'payees_get')::numeric >
              (SELECT t.amount FROM escrow.tranche t
                WHERE t.book_id = book AND t.agreement_id = agreement AND t.name = opened.tranche) THEN
            PERFORM authority.refuse('settlement_must_fit_the_tranche');
        END IF;
    END IF;
    INSERT INTO escrow.fact (book_id, sequence, agreement_id, code, party, said_by, milestone, claim, tranche, payees_get,
                             reason)
    VALUES (book, now.sequence, agreement, number, party, speaker, now.said->>'milestone', (now.said->>'claim')::uuid,
            coalesce(now.said->>'tranche', opened.tranche), (now.said->>'payees_get')::bigint, say.reason);
    UPDATE escrow.agreement a SET last_fact = now.sequence, look_at = now.at
     WHERE a.book_id = book AND a.agreement_id = agreement;
END $$;

-- Whether as many arbiters as are needed have said the same of a claim; of each the last word counts, until it is settled.
CREATE FUNCTION escrow.is_settled(book integer, agreement uuid, which uuid, needed integer) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT EXISTS (SELECT FROM (SELECT DISTINCT ON (f.party) f.payees_get FROM escrow.fact f
                                 WHERE f.book_id = book AND f.agreement_id = agreement AND f.code = 1174 AND f.claim = which
                                 ORDER BY f.party, f.sequence DESC) word
                    GROUP BY word.payees_get HAVING count(*) >= needed);
$$;

-- Ends a tranche: 1175 releases, 1176 returns. On the facts that were looked at, and not before `since` nor from `until` on:
-- between them time alone does not change the answer. The rows of this append move exactly what the event says.
CREATE FUNCTION escrow.end_tranche(book integer, event uuid, number integer, agreement uuid, tranche_name text, seen bigint,
                                   since timestamptz, until timestamptz, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record           := authority.said_now(book, event, number);
    kept  escrow.agreement := escrow.standing(book, agreement, 'in_force');
    part   escrow.tranche;
    moved  bigint;
BEGIN
    SELECT * INTO part FROM escrow.tranche t
     WHERE t.book_id = book AND t.agreement_id = agreement AND t.name = tranche_name FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('tranche_must_exist');
    ELSIF part.state <> 'held' THEN
        PERFORM authority.refuse('tranche_has_ended');
    ELSIF kept.last_fact <> seen OR now.at < since OR now.at >= until THEN
        PERFORM authority.refuse('facts_have_changed_meanwhile');
    END IF;
    SELECT coalesce(sum(m.amount) FILTER (WHERE m.kind = 3), 0) INTO moved
      FROM escrow.money_now(book, agreement, tranche_name) m;
    IF (SELECT count(DISTINCT m.hold) FROM escrow.money_now(book, agreement, tranche_name) m WHERE m.kind IN (3, 4)) <>
       (SELECT count(*) FROM escrow.holding h
         WHERE h.book_id = book AND h.agreement_id = agreement AND h.tranche = tranche_name)
       OR (number = 1176 AND moved <> 0) OR (number = 1175 AND moved = 0) THEN
        PERFORM authority.refuse('money_must_be_what_is_said');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('agreement', agreement, 'tranche', tranche_name, 'facts', seen,
        'amount_minor', (CASE number WHEN 1175 THEN moved ELSE part.amount END)::text));
    IF number = 1175 THEN
        PERFORM authority.must_say(now.said, jsonb_build_object('proposal', proposal));
        PERFORM escrow.require_leave(book, event, 1175, now.at, proposal, 'escrow_release', kept, moved,
            jsonb_build_object('tranche', tranche_name, 'condition_sha256', now.said->'condition_sha256'));
    END IF;
    UPDATE escrow.tranche t SET state = CASE number WHEN 1175 THEN 'released' ELSE 'returned' END, paid = moved,
                                ended = now.sequence
     WHERE t.book_id = book AND t.agreement_id = agreement AND t.name = tranche_name;
    UPDATE escrow.agreement a SET moved_at = now.at, state = CASE WHEN EXISTS (
               SELECT FROM escrow.tranche t WHERE t.book_id = book AND t.agreement_id = agreement AND t.state = 'held')
           THEN 'in_force' ELSE 'ended' END
     WHERE a.book_id = book AND a.agreement_id = agreement;
END $$;

-- The core has looked at an agreement, on these facts, and looks again at that time.
CREATE FUNCTION escrow.looked(book integer, agreement uuid, seen bigint, again timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE escrow.agreement a SET look_at = again
     WHERE a.book_id = book AND a.agreement_id = agreement AND a.last_fact = seen;
$$;

-- Who may what: nobody writes a table.
GRANT USAGE ON SCHEMA escrow TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA escrow TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA escrow FROM PUBLIC;
GRANT EXECUTE ON FUNCTION escrow.propose, escrow.agree, escrow.call_off, escrow.say, escrow.end_tranche, escrow.looked
   TO ringfence_core;
