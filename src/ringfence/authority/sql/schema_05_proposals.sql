-- authority, proposals: proposals and approvals.

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
    signed          boolean     NOT NULL,
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
    credential_id       bytea,
    client_data         bytea,
    authenticator_data  bytea,
    signature           bytea,
    CONSTRAINT person_decided_already PRIMARY KEY (book_id, proposal_id, person_id),
    CONSTRAINT approval_event_is_its_own UNIQUE (book_id, sequence),
    CONSTRAINT approval_is_of_a_proposal FOREIGN KEY (book_id, proposal_id) REFERENCES authority.proposal,
    CONSTRAINT approval_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT approval_is_yes_or_no CHECK (decided IN ('approve', 'reject')),
    CONSTRAINT reason_must_be_short CHECK (length(reason) <= 500),
    CONSTRAINT approval_is_by_a_known_passkey FOREIGN KEY (book_id, credential_id) REFERENCES authority.passkey,
    CONSTRAINT approval_is_signed_whole
        CHECK (num_nulls(credential_id, client_data, authenticator_data, signature) IN (0, 4))
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
    signed  boolean;
    expiry  timestamptz := (terms->>'expires_at')::timestamptz;
BEGIN
    SELECT p.version, p.document INTO policy FROM authority.policy_at(book, now.at) p;
    IF maker IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF policy.version IS NULL THEN
        PERFORM authority.refuse('policy_must_exist');
    ELSIF NOT terms @> jsonb_build_object('form', 'ringfence proposal v1', 'book', book, 'proposal', proposal) THEN
        PERFORM authority.refuse('terms_are_not_valid', 'form, book or proposal');
    ELSIF (terms->>'nonce')::uuid IS NULL THEN
        PERFORM authority.refuse('terms_are_not_valid', 'nonce');
    ELSIF (terms->>'policy_version')::integer IS DISTINCT FROM policy.version THEN
        PERFORM authority.refuse('policy_has_changed');
    END IF;
    rule := policy.document #> ARRAY['acts', terms->>'act'];
    needed := authority.required(policy.document, terms->>'act', terms->>'currency', (terms->>'amount_minor')::numeric,
                                 now.at, authority.score_of(book, (terms->>'order')::uuid), maker);
    signed := coalesce((needed->>'signed')::boolean, false);
    IF needed IS NULL THEN
        PERFORM authority.refuse('act_is_not_in_the_policy', terms->>'act');
    ELSIF (needed->>'people')::integer = 0 THEN
        PERFORM authority.refuse('approval_is_not_required');
    ELSIF NOT rule->'makers' ?| (CASE WHEN maker LIKE 'client:%' THEN ARRAY['client']
                                     WHEN maker LIKE 'customer:%' THEN ARRAY['customer']
                                     WHEN maker = 'system' THEN ARRAY['system']
                                     ELSE authority.roles_of(book, maker) END) THEN
        PERFORM authority.refuse('maker_may_not_make_this');
    ELSIF expiry IS NULL OR expiry <= now.at
          OR expiry > now.at + interval '1 hour' * (rule->>'stands_hours')::integer THEN
        PERFORM authority.refuse('terms_are_not_valid', 'expires_at');
    ELSIF (now.said->'people', now.said->'roles', coalesce((now.said->>'signed')::boolean, false))
          IS DISTINCT FROM (needed->'people', needed->'roles', signed) THEN
        PERFORM authority.refuse('requirement_changed_meanwhile');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'proposal', proposal, 'act', terms->>'act', 'sha256', encode(sha256(payload), 'hex'), 'maker', maker,
        'people', needed->'people', 'roles', needed->'roles', 'policy_version', policy.version)
        || CASE WHEN signed THEN '{"signed": true}'::jsonb ELSE '{}' END);
    INSERT INTO authority.proposal (book_id, proposal_id, act, order_id, payload, payload_sha256, maker, people, roles,
                                    signed, policy_version, made_at, expires_at, made)
    VALUES (book, proposal, terms->>'act', (terms->>'order')::uuid, payload, sha256(payload), maker,
            (needed->>'people')::integer, ARRAY(SELECT jsonb_array_elements_text(needed->'roles')), signed, policy.version,
            now.at, expiry, now.sequence);
END $$;

-- An act of an order needs nobody at the time of this append: `event` is risk's decision on it.
CREATE FUNCTION authority.require_nobody(book integer, event uuid, which uuid, act text, currency text, amount bigint,
                                         maker text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1010);
    needed jsonb;
BEGIN
    SELECT authority.required(p.document, act, currency, amount, now.at, authority.score_of(book, which), maker)
      INTO needed
      FROM authority.policy_at(book, now.at) p;
    IF (needed->>'people')::integer IS DISTINCT FROM 0 THEN
        PERFORM authority.refuse('requirement_changed_meanwhile');
    END IF;
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

-- What a key signs when it approves: SHA-256 of exactly the bytes of a proposal, under a tag that nothing else has. So a
-- signature is for this amount and this payee, or for nothing (dynamic linking: Delegated Regulation (EU) 2018/389, Art. 5).
CREATE FUNCTION authority.approval_challenge(payload bytea) RETURNS bytea
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to('ringfence approval v1', 'UTF8') || '\x00' || payload);
$$;

-- A person decides. `PROPOSAL_APPROVED` also says the count that it makes; a person who decided in between makes
-- another count, so the event would be wrong, and the caller says it anew. An approval may be signed by a passkey of the
-- person, and has to be where the policy says so; the event then says the signature and all that it is over.
CREATE FUNCTION authority.decide(book integer, event uuid, token_sha256 bytea, proposal uuid, payload_sha256 bytea,
                                 decision text, reason text, credential bytea, client_data bytea,
                                 authenticator_data bytea, signature bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, CASE decision WHEN 'approve' THEN 1021 ELSE 1022 END);
    who    text   := authority.person_of_session(book, decide.token_sha256, now.at);
    asked  authority.proposal;
    key    authority.passkey;
    count  integer;
    broken text;
BEGIN
    SELECT * INTO asked FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal FOR UPDATE;
    broken := authority.objection(book, decide.token_sha256, proposal, decide.payload_sha256, decision, now.at);
    IF broken IS NOT NULL THEN
        PERFORM authority.refuse(broken);
    ELSIF asked.signed AND decision = 'approve' AND credential IS NULL THEN
        PERFORM authority.refuse('approval_must_be_signed');
    ELSIF decision = 'approve' AND credential IS NULL AND EXISTS (
            SELECT FROM authority.session s WHERE s.book_id = book AND s.opened_by = 'provider'
               AND s.token_sha256 = decide.token_sha256) THEN
        PERFORM authority.refuse('single_sign_on_approves_nothing');
    END IF;
    SELECT count(*) + CASE decision WHEN 'approve' THEN 1 ELSE 0 END INTO count FROM authority.approval a
     WHERE a.book_id = book AND a.proposal_id = proposal AND a.decided = 'approve';
    IF (now.said->>'count')::integer IS DISTINCT FROM count THEN
        PERFORM authority.refuse('decision_was_counted_meanwhile');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'proposal', proposal, 'person', who, 'sha256', encode(decide.payload_sha256, 'hex')));
    IF credential IS NOT NULL THEN
        key := authority.use_passkey(book, credential, decide.client_data, decide.authenticator_data, decide.signature,
                                     authority.approval_challenge(asked.payload), now.at);
        IF key.person_id <> who OR decision <> 'approve' THEN
            PERFORM authority.refuse('passkey_is_somebody_elses');
        ELSIF now.at < key.approves_from THEN
            PERFORM authority.refuse('passkey_must_wait');
        END IF;
        PERFORM authority.must_say(now.said, jsonb_build_object(
            'credential', encode(credential, 'hex'), 'client_data', encode(decide.client_data, 'hex'),
            'challenge', encode(authority.approval_challenge(asked.payload), 'hex'),
            'authenticator_data', encode(decide.authenticator_data, 'hex'), 'signature', encode(decide.signature, 'hex')));
    END IF;
    INSERT INTO authority.approval (book_id, proposal_id, person_id, payload_sha256, decided, reason, at, sequence,
                                    credential_id, client_data, authenticator_data, signature)
    VALUES (book, proposal, who, decide.payload_sha256, decision, decide.reason, now.at, now.sequence,
            credential, decide.client_data, decide.authenticator_data, decide.signature);
    IF decision = 'reject' THEN
        UPDATE authority.proposal p SET state = 'rejected' WHERE p.book_id = book AND p.proposal_id = proposal;
    ELSIF count >= asked.people THEN
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
              AND a.person_id <> asked.maker AND a.payload_sha256 = sha256(asked.payload)
              AND (a.credential_id IS NOT NULL OR NOT asked.signed)) THEN
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

-- The same for a transfer that is taken back: called in the append of the correction, whose order is the proposal. People
-- approved this transfer, these accounts and this amount.
CREATE FUNCTION authority.carry_out_correction(book integer, correction uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record;
    terms jsonb;
BEGIN
    SELECT j.sequence, j.posted_at AS at, j.refers_to, j.debit_account, j.credit_account, j.amount INTO now
      FROM ledger.head b JOIN ledger.journal j ON j.book_id = b.book_id
     WHERE b.book_id = book AND b.append_by = pg_current_xact_id_if_assigned()
       AND j.id = correction AND j.sequence >= b.append_from AND j.kind = 6 AND j.order_id = proposal;
    IF NOT FOUND THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'no such row in this append');
    END IF;
    terms := authority.spend(book, now.sequence, now.at, proposal, 'correction');
    IF (now.refers_to::text, now.debit_account::text, now.credit_account::text, now.amount::text)
       IS DISTINCT FROM (terms #>> '{facts,transfer}', terms #>> '{facts,debit_account}',
                         terms #>> '{facts,credit_account}', terms->>'amount_minor') THEN
        PERFORM authority.refuse('event_must_say_what_happens', 'the row is not the one that was approved');
    END IF;
END $$;

-- Who may what: nobody writes a table.
GRANT SELECT ON authority.proposal, authority.approval
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.make_proposal, authority.require_nobody, authority.objection, authority.decide, authority.carry_out,
    authority.carry_out_standing, authority.carry_out_correction
   TO ringfence_core;
GRANT EXECUTE ON FUNCTION authority.approval_challenge
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
