-- diligence: who is the customer, and how do we know?
--
-- A file's row says where it stands; how it came there stands in the journal, as one event a step. Steps are numbered
-- from 1 without a gap, and the id of a step's event follows from book, customer and number: so the last step, and with it
-- whether somebody is verified, can be found in the journal alone.
--
-- Nobody writes a table. Each function is called in the append that journals its step, and writes what the event says.
-- Numbers of documents and of identities are fields of the vault; here is only the index that keeps one person from having
-- two accounts in one role.

CREATE SCHEMA diligence;

CREATE TABLE diligence.file (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    customer_id     text        NOT NULL,
    role            text        NOT NULL,
    nature          text        NOT NULL,
    name            text        NOT NULL,
    state           text        NOT NULL,
    step            integer     NOT NULL,
    asks            text        NOT NULL,
    risk_class      text        NOT NULL,
    identity_index  bytea,
    tier            text,
    limits          jsonb,
    verified_step   integer,
    verified_at     timestamptz,
    review_due      date,
    lapses_on       date,
    restriction     text,
    direction       text,
    opened_at       timestamptz NOT NULL,
    moved_at        timestamptz NOT NULL,
    CONSTRAINT file_is_opened_once PRIMARY KEY (book_id, customer_id),
    CONSTRAINT file_role_is_a_word CHECK (role ~ '^[a-z][a-z0-9-]{0,19}$'),
    CONSTRAINT file_is_of_a_person_or_a_firm CHECK (nature IN ('person', 'firm')),
    CONSTRAINT file_state_is_known
        CHECK (state IN ('applied', 'documents', 'screened', 'verified', 'restricted', 'closed')),
    CONSTRAINT file_risk_class_is_known CHECK (risk_class IN ('low', 'medium', 'high')),
    CONSTRAINT file_that_is_verified_says_how
        CHECK (state <> 'verified' OR num_nulls(tier, limits, verified_step, verified_at, review_due, lapses_on) = 0),
    CONSTRAINT file_that_is_restricted_says_why
        CHECK ((state = 'restricted') = (restriction IS NOT NULL) AND (restriction IS NULL) = (direction IS NULL)),
    CONSTRAINT file_restriction_is_known CHECK (restriction IN ('review_lapsed', 'document_expired', 'listed', 'person')),
    CONSTRAINT file_direction_is_known CHECK (direction IN ('in', 'none'))
);
CREATE UNIQUE INDEX identity_has_one_account_a_role ON diligence.file (book_id, role, identity_index)
    WHERE state <> 'closed';
CREATE INDEX file_state ON diligence.file (book_id, state, moved_at);
CREATE INDEX file_review ON diligence.file (book_id, lapses_on) WHERE state = 'verified';
COMMENT ON COLUMN diligence.file.asks IS 'the tier that is asked for; `tier` is the one that was given';
COMMENT ON COLUMN diligence.file.lapses_on IS 'the day after the periodic review or the first document has run out, without grace';
COMMENT ON COLUMN diligence.file.direction IS 'while restricted: in = money may come, none = neither';

-- The customer ("customer") and, of a firm, everybody who owns or controls it.
CREATE TABLE diligence.party (
    book_id      integer NOT NULL,
    customer_id  text    NOT NULL,
    party        text    NOT NULL,
    name         text    NOT NULL,
    nature       text    NOT NULL,
    parent       text,
    share_bp     integer,
    control      text,
    answer       text,
    attempts     integer NOT NULL DEFAULT 0,
    ask_after    timestamptz,
    screening    text,
    matches      jsonb,
    lists        text,
    named        integer NOT NULL,
    withdrawn    integer,
    CONSTRAINT party_is_named_once PRIMARY KEY (book_id, customer_id, party),
    CONSTRAINT party_is_of_a_file FOREIGN KEY (book_id, customer_id) REFERENCES diligence.file,
    CONSTRAINT party_parent_is_a_party FOREIGN KEY (book_id, customer_id, parent) REFERENCES diligence.party,
    CONSTRAINT party_id_is_a_word CHECK (party ~ '^[a-z][a-z0-9-]{0,19}$'),
    CONSTRAINT party_is_a_person_or_a_firm CHECK (nature IN ('person', 'firm')),
    CONSTRAINT party_share_is_of_a_whole CHECK (share_bp BETWEEN 0 AND 10000),
    CONSTRAINT party_control_is_known CHECK (control IN ('votes', 'appoints', 'agreement', 'senior_manager')),
    CONSTRAINT party_owns_or_controls
        CHECK ((party = 'customer') = (parent IS NULL) AND (party = 'customer' OR num_nonnulls(share_bp, control) > 0)),
    CONSTRAINT party_answer_is_known CHECK (answer IN ('match', 'no_match', 'later', 'unavailable')),
    CONSTRAINT party_screening_is_known CHECK (screening IN ('clear', 'potential', 'cleared', 'listed'))
);

CREATE TABLE diligence.document (
    book_id      integer     NOT NULL,
    customer_id  text        NOT NULL,
    step         integer     NOT NULL,
    party        text        NOT NULL,
    kind         text        NOT NULL,
    country      text        NOT NULL,
    expires      date,
    sha256       bytea       NOT NULL,
    taken_by     text        NOT NULL,
    taken_at     timestamptz NOT NULL,
    CONSTRAINT document_is_taken_once PRIMARY KEY (book_id, customer_id, step),
    CONSTRAINT document_is_of_a_party FOREIGN KEY (book_id, customer_id, party) REFERENCES diligence.party,
    CONSTRAINT document_kind_is_known CHECK (kind IN ('identity_card', 'passport', 'residence_permit', 'address_proof',
        'licence', 'articles', 'owner_register', 'income_proof')),
    CONSTRAINT document_country_is_a_code CHECK (country ~ '^[A-Z]{2}$'),
    CONSTRAINT document_digest_is_whole CHECK (length(sha256) = 32)
);
COMMENT ON COLUMN diligence.document.sha256 IS 'of the scan, which lies where the platform keeps it';

-- How often in a book somebody was restricted, closed, or given a tier with limits: who remembers whose accounts are open
-- to programs that post looks here whether that still holds.
CREATE TABLE diligence.shut (
    book_id  integer PRIMARY KEY REFERENCES ledger.book,
    times    bigint NOT NULL
);

-- What may happen to a file: (event, state before, state after). The same table as diligence/lifecycle.py; a test compares.
CREATE FUNCTION diligence.moves() RETURNS TABLE (number integer, before text, after text)
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    VALUES (1121, 'applied', 'documents'), (1121, 'documents', 'documents'), (1121, 'screened', 'documents'),
           (1121, 'verified', 'verified'), (1121, 'restricted', 'restricted'),
           (1122, 'applied', 'applied'), (1122, 'documents', 'documents'), (1122, 'screened', 'documents'),
           (1122, 'verified', 'verified'), (1122, 'restricted', 'restricted'),
           (1123, 'applied', 'applied'), (1123, 'documents', 'documents'), (1123, 'screened', 'documents'),
           (1123, 'verified', 'verified'), (1123, 'restricted', 'restricted'),
           (1124, 'documents', 'documents'), (1124, 'verified', 'verified'), (1124, 'restricted', 'restricted'),
           (1125, 'documents', 'documents'), (1125, 'documents', 'screened'), (1125, 'screened', 'documents'),
           (1125, 'screened', 'screened'), (1125, 'verified', 'verified'), (1125, 'restricted', 'restricted'),
           (1126, 'screened', 'verified'), (1126, 'verified', 'verified'), (1126, 'restricted', 'verified'),
           (1127, 'documents', 'restricted'), (1127, 'screened', 'restricted'), (1127, 'verified', 'restricted'),
           (1127, 'restricted', 'restricted'),
           (1128, 'applied', 'closed'), (1128, 'documents', 'closed'), (1128, 'screened', 'closed'),
           (1128, 'verified', 'closed'), (1128, 'restricted', 'closed'),
           (1129, 'documents', 'documents'), (1129, 'documents', 'screened'), (1129, 'verified', 'verified'),
           (1129, 'restricted', 'restricted'),
           (1130, 'applied', 'applied'), (1130, 'documents', 'documents'), (1130, 'screened', 'screened'),
           (1130, 'verified', 'verified'), (1130, 'restricted', 'restricted');
$$;

-- Takes a file one step on, as the event of this append says: the next number, from the state that it has. Gives the file
-- as it was.
CREATE FUNCTION diligence.take_step(book integer, event uuid, number integer, customer text,
                                    OUT sequence bigint, OUT at timestamptz, OUT said jsonb, OUT file diligence.file)
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    becomes text;
BEGIN
    SELECT n.sequence, n.at, n.said INTO sequence, at, said FROM authority.said_now(book, event, number) n;
    becomes := said->>'state';
    SELECT * INTO file FROM diligence.file f WHERE f.book_id = book AND f.customer_id = customer FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('customer_has_no_file');
    ELSIF (said->>'step')::integer IS DISTINCT FROM file.step + 1 THEN
        PERFORM authority.refuse('file_moved_meanwhile');
    ELSIF NOT EXISTS (SELECT FROM diligence.moves() m
                       WHERE m.number = take_step.number AND m.before = file.state AND m.after = becomes) THEN
        PERFORM authority.refuse('file_may_not_do_that_now');
    END IF;
    PERFORM authority.must_say(said, jsonb_build_object('customer', customer));
    UPDATE diligence.file f
       SET step = file.step + 1, state = becomes, moved_at = take_step.at,
           restriction = CASE becomes WHEN 'restricted' THEN coalesce(said->>'reason', f.restriction) END,
           direction = CASE becomes WHEN 'restricted' THEN coalesce(said->>'direction', f.direction) END
     WHERE f.book_id = book AND f.customer_id = customer AND number <> 1126;
    UPDATE diligence.file f
       SET step = file.step + 1, state = becomes, moved_at = take_step.at, restriction = NULL, direction = NULL,
           tier = said->>'tier', limits = said->'limits', verified_step = file.step + 1, verified_at = take_step.at,
           review_due = (said->>'review_due')::date, lapses_on = (said->>'lapses_on')::date
     WHERE f.book_id = book AND f.customer_id = customer AND number = 1126;
    IF number IN (1127, 1128) OR number = 1126 AND said->'limits' <> '{}' THEN
        INSERT INTO diligence.shut AS s (book_id, times) VALUES (book, 1)
        ON CONFLICT (book_id) DO UPDATE SET times = s.times + 1;
    END IF;
END $$;

CREATE FUNCTION diligence.open_file(book integer, event uuid, customer text, name text, identity_index bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1120);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('customer', customer, 'step', 1, 'state', 'applied'));
    INSERT INTO diligence.file (book_id, customer_id, role, nature, name, state, step, asks, risk_class,
                                identity_index, opened_at, moved_at)
    VALUES (book, customer, now.said->>'role', now.said->>'nature', name, 'applied', 1, now.said->>'tier',
            now.said->>'risk_class', identity_index, now.at, now.at);
    INSERT INTO diligence.party (book_id, customer_id, party, name, nature, named)
    VALUES (book, customer, 'customer', name, now.said->>'nature', 1);
END $$;

-- A document of somebody. It may be another person's than the provider and the lists were asked for, so both are asked
-- again.
CREATE FUNCTION diligence.take_document(book integer, event uuid, customer text, party text, kind text, country text,
                                        expires date, sha256 bytea, taken_by text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1121, customer);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('party', party, 'kind', kind, 'expires', expires,
                                                            'sha256', encode(take_document.sha256, 'hex'), 'by', taken_by));
    INSERT INTO diligence.document (book_id, customer_id, step, party, kind, country, expires, sha256, taken_by, taken_at)
    VALUES (book, customer, (now.said->>'step')::integer, party, kind, country, expires, sha256, taken_by, now.at);
    UPDATE diligence.party p SET answer = NULL, attempts = 0, ask_after = NULL, screening = NULL
     WHERE p.book_id = book AND p.customer_id = customer AND p.party = take_document.party;
END $$;

CREATE FUNCTION diligence.name_owner(book integer, event uuid, customer text, party text, name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1122, customer);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('party', party));
    INSERT INTO diligence.party (book_id, customer_id, party, name, nature, parent, share_bp, control, named)
    VALUES (book, customer, party, name, now.said->>'nature', now.said->>'parent', (now.said->>'share_bp')::integer,
            now.said->>'control', (now.said->>'step')::integer);
END $$;

-- An owner who is none any more, with everybody who was named through him.
CREATE FUNCTION diligence.withdraw_owner(book integer, event uuid, customer text, party text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1123, customer);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('party', party));
    IF party = 'customer' THEN
        PERFORM authority.refuse('owner_must_be_named');
    END IF;
    WITH RECURSIVE below AS (
        SELECT p.party FROM diligence.party p
         WHERE p.book_id = book AND p.customer_id = customer AND p.party = withdraw_owner.party AND p.withdrawn IS NULL
        UNION
        SELECT p.party FROM diligence.party p JOIN below b ON p.parent = b.party
         WHERE p.book_id = book AND p.customer_id = customer AND p.withdrawn IS NULL)
    UPDATE diligence.party p SET withdrawn = (now.said->>'step')::integer
      FROM below b WHERE p.book_id = book AND p.customer_id = customer AND p.party = b.party;
    IF NOT FOUND THEN
        PERFORM authority.refuse('owner_must_be_named');
    END IF;
    UPDATE diligence.party p SET screening = NULL  -- who is left is looked up again, and with that the file goes on
     WHERE p.book_id = book AND p.customer_id = customer AND p.party = 'customer';
END $$;

-- What the identity provider said of a party. `match` is final until another document comes.
CREATE FUNCTION diligence.take_answer(book integer, event uuid, customer text, party text, ask_after timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1124, customer);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('party', party));
    UPDATE diligence.party p
       SET answer = now.said->>'answer', attempts = p.attempts + 1, ask_after = take_answer.ask_after
     WHERE p.book_id = book AND p.customer_id = customer AND p.party = take_answer.party AND p.withdrawn IS NULL
       AND p.answer IS DISTINCT FROM 'match';
    IF NOT FOUND THEN
        PERFORM authority.refuse('file_moved_meanwhile');
    END IF;
END $$;

-- Whether everybody who is named was found by the provider and is on no list.
CREATE FUNCTION diligence.is_found_and_clear(book integer, customer text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT bool_and(p.answer IS NOT DISTINCT FROM 'match' AND coalesce(p.screening IN ('clear', 'cleared'), false))
           AND EXISTS (SELECT FROM diligence.document d WHERE d.book_id = book AND d.customer_id = customer)
      FROM diligence.party p WHERE p.book_id = book AND p.customer_id = customer AND p.withdrawn IS NULL;
$$;

-- What the lists say of the names: `parties` of the event maps each party to its outcome and matches, `lists` is the
-- digest of the lists that were searched.
CREATE FUNCTION diligence.take_screening(book integer, event uuid, customer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1125, customer);
BEGIN
    UPDATE diligence.party p
       SET screening = now.said->'parties'->p.party->>'outcome', matches = now.said->'parties'->p.party->'matches',
           lists = now.said->>'lists'
     WHERE p.book_id = book AND p.customer_id = customer AND p.withdrawn IS NULL AND now.said->'parties' ? p.party;
    IF now.said->>'state' = 'screened' AND NOT diligence.is_found_and_clear(book, customer) THEN
        PERFORM authority.refuse('file_may_not_do_that_now');
    END IF;
END $$;

-- A person says whether a match is the one on the list. Who it is, the session's token says; whoever took a document of
-- the file does not judge it.
CREATE FUNCTION diligence.decide_match(book integer, event uuid, customer text, party text, token_sha256 bytea)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1129, customer);
    who text   := authority.person_of_session(book, decide_match.token_sha256, now.at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF NOT authority.roles_of(book, who) && ARRAY['approver', 'risk_officer'] THEN
        PERFORM authority.refuse('person_lacks_the_role');
    ELSIF EXISTS (SELECT FROM diligence.document d
                   WHERE d.book_id = book AND d.customer_id = customer AND d.taken_by = who) THEN
        PERFORM authority.refuse('collector_may_not_decide');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('party', party, 'person', who));
    UPDATE diligence.party p SET screening = CASE now.said->>'judged' WHEN 'somebody else' THEN 'cleared' ELSE 'listed' END
     WHERE p.book_id = book AND p.customer_id = customer AND p.party = decide_match.party AND p.withdrawn IS NULL
       AND p.screening = 'potential';
    IF NOT FOUND THEN
        PERFORM authority.refuse('match_is_not_open');
    ELSIF now.said->>'state' = 'screened' AND NOT diligence.is_found_and_clear(book, customer) THEN
        PERFORM authority.refuse('file_may_not_do_that_now');
    END IF;
END $$;

CREATE FUNCTION diligence.ask_tier(book integer, event uuid, customer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := diligence.take_step(book, event, 1130, customer);
BEGIN
    UPDATE diligence.file f SET asks = now.said->>'tier', risk_class = now.said->>'risk_class'
     WHERE f.book_id = book AND f.customer_id = customer;
END $$;

-- The customer is verified, as the event of this append says (CUSTOMER_VERIFIED): by evidence alone, or by people (act
-- `customer_verification`), of whom nobody took a document of the file. What a list or a person restricted, people lift.
CREATE FUNCTION diligence.verify(book integer, event uuid, customer text, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := diligence.take_step(book, event, 1126, customer);
    was   diligence.file := now.file;
    facts jsonb;
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('proposal', proposal));
    IF NOT diligence.is_found_and_clear(book, customer) THEN
        PERFORM authority.refuse('evidence_must_be_complete');
    ELSIF was.nature = 'firm' AND NOT EXISTS (
            SELECT FROM diligence.party p WHERE p.book_id = book AND p.customer_id = customer AND p.nature = 'person'
               AND p.party <> 'customer' AND p.withdrawn IS NULL) THEN
        PERFORM authority.refuse('beneficial_owners_must_be_named');
    ELSIF was.restriction IN ('listed', 'person') AND proposal IS NULL THEN
        PERFORM authority.refuse('people_must_lift_this');
    END IF;
    IF proposal IS NOT NULL THEN
        facts := authority.carry_out(book, event, 1126, proposal, 'customer_verification')->'facts';
        PERFORM authority.must_say(now.said, jsonb_build_object('customer', facts->'customer', 'tier', facts->'tier'));
        IF (facts->>'step')::integer IS DISTINCT FROM was.step THEN
            PERFORM authority.refuse('file_moved_meanwhile');
        ELSIF EXISTS (SELECT FROM authority.approval a JOIN diligence.document d ON d.book_id = a.book_id
                         AND d.customer_id = customer AND d.taken_by = a.person_id
                       WHERE a.book_id = book AND a.proposal_id = proposal AND a.decided = 'approve') THEN
            PERFORM authority.refuse('collector_may_not_decide');
        END IF;
    END IF;
END $$;

CREATE FUNCTION diligence.restrict(book integer, event uuid, customer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM diligence.take_step(book, event, 1127, customer);
END $$;

-- Closed for good; whoever comes back has a new file, and the identity is free for it.
CREATE FUNCTION diligence.close_file(book integer, event uuid, customer text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM diligence.take_step(book, event, 1128, customer);
END $$;

-- Whether a proposal to verify the customer at the file's last step stands, or was rejected. One that
-- somebody approved who took a document of the file does not count: others are asked.
CREATE FUNCTION diligence.is_before_people(file diligence.file, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT EXISTS (
        SELECT FROM authority.proposal p
         WHERE p.book_id = file.book_id AND p.act = 'customer_verification' AND p.made_at >= file.moved_at
           AND convert_from(p.payload, 'UTF8')::jsonb->'facts'
               @> jsonb_build_object('customer', file.customer_id, 'step', file.step::text)
           AND (p.state = 'rejected' OR p.expires_at > at)
           AND NOT EXISTS (
                SELECT FROM authority.approval a JOIN diligence.document d
                    ON d.book_id = a.book_id AND d.customer_id = file.customer_id AND d.taken_by = a.person_id
                 WHERE a.book_id = p.book_id AND a.proposal_id = p.proposal_id AND a.decided = 'approve'));
$$;

-- Whether the core can go on with a file by itself at a time: somebody is to be asked for (again) or to be screened, or the
-- evidence is complete, a decision is due on it, and no proposal of people stands.
CREATE FUNCTION diligence.is_in_hand(file diligence.file, at timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT CASE
        WHEN file.state IN ('applied', 'closed') THEN false
        WHEN file.state <> 'screened' AND EXISTS (
            SELECT FROM diligence.party p
             WHERE p.book_id = file.book_id AND p.customer_id = file.customer_id AND p.withdrawn IS NULL
               AND (p.answer IS NULL OR p.answer IN ('later', 'unavailable') AND p.ask_after <= at
                    OR p.answer = 'match' AND p.screening IS NULL)) THEN true
        WHEN file.state = 'documents' THEN false
        ELSE (file.verified_step IS NULL OR file.asks <> file.tier OR EXISTS (
                SELECT FROM diligence.document d WHERE d.book_id = file.book_id AND d.customer_id = file.customer_id
                   AND d.step > file.verified_step))
             AND diligence.is_found_and_clear(file.book_id, file.customer_id)
             AND NOT diligence.is_before_people(file, at)
    END;
$$;

-- Called in the append of an order's rows: the customer may do this now (pay, receive, or keep what is his own), whatever
-- the writer read before. The lock lets no step of the file in between.
CREATE FUNCTION diligence.require_standing(book integer, customer text, deed text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    file diligence.file;
BEGIN
    SELECT * INTO file FROM diligence.file f WHERE f.book_id = book AND f.customer_id = customer FOR SHARE;
    IF NOT FOUND OR file.state NOT IN ('verified', 'restricted') OR file.verified_step IS NULL THEN
        PERFORM authority.refuse('customer_must_be_verified');
    ELSIF file.state = 'restricted' AND (deed = 'pay' OR deed = 'receive' AND file.direction = 'none') THEN
        PERFORM authority.refuse('customer_is_restricted');
    END IF;
END $$;

-- With the keys of what is personal, the index goes.
CREATE FUNCTION diligence.forget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE diligence.file f SET identity_index = NULL
     WHERE f.book_id = NEW.book_id AND 'customer:' || f.customer_id = NEW.owner;
    RETURN NEW;
END $$;
CREATE TRIGGER erasure_takes_the_index_along AFTER INSERT ON vault.erasure
    FOR EACH ROW EXECUTE FUNCTION diligence.forget();

GRANT USAGE ON SCHEMA diligence
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON diligence.file, diligence.party, diligence.document, diligence.shut TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA diligence FROM PUBLIC;
GRANT EXECUTE ON FUNCTION diligence.moves, diligence.is_found_and_clear, diligence.is_in_hand, diligence.is_before_people, diligence.open_file, diligence.take_document, diligence.name_owner,
    diligence.withdraw_owner, diligence.take_answer, diligence.take_screening, diligence.decide_match, diligence.ask_tier,
    diligence.verify, diligence.restrict, diligence.close_file, diligence.require_standing
   TO ringfence_core;
-- diligence: a row is there for whoever serves its book.
SELECT ledger.keep_books_apart('diligence');
SELECT ledger.fix_search_paths('diligence');
