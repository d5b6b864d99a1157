-- incident: what do we do now?
--
-- The brake has no table: it is pulled or released by events of the journal, in their order. What is kept here is how
-- far the indicators have turned, so that a watch acts on a turn, once.

CREATE SCHEMA incident;

-- The level of each indicator since its last turn; `sequence` is the event that says so.
CREATE TABLE incident.indicator (
    book_id   integer     NOT NULL REFERENCES ledger.book,
    name      text        NOT NULL,
    level     text        NOT NULL,
    since     timestamptz NOT NULL,
    sequence  bigint      NOT NULL,
    CONSTRAINT indicator_is_unique PRIMARY KEY (book_id, name),
    CONSTRAINT indicator_level_is_known CHECK (level IN ('green', 'amber', 'red')),
    CONSTRAINT indicator_name_is_a_word CHECK (name ~ '^[a-z][a-z_]{1,62}$')
);

-- An indicator turned, as the event of this append says (ALARM_RAISED). `was` is the level that the watch had read; an
-- indicator that was never seen counts as green.
CREATE FUNCTION incident.turn_indicator(book integer, event uuid, indicator text, was text, level text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1082);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('indicator', indicator, 'was', was, 'level', level));
    INSERT INTO incident.indicator AS i (book_id, name, level, since, sequence)
    VALUES (book, indicator, 'green', now.at, now.sequence) ON CONFLICT ON CONSTRAINT indicator_is_unique DO NOTHING;
    UPDATE incident.indicator i SET level = turn_indicator.level, since = now.at, sequence = now.sequence
     WHERE i.book_id = book AND i.name = indicator AND i.level = was;
    IF NOT FOUND THEN
        PERFORM authority.refuse('indicator_turned_meanwhile');
    END IF;
END $$;

-- The brake is released, as the event of this append says (BRAKE_RELEASED), by a complete proposal that names the last
-- pull and was made after it.
CREATE FUNCTION incident.release_brake(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1081);
    facts  jsonb  := authority.carry_out(book, event, 1081, proposal, 'brake_release')->'facts';
    made   bigint := (SELECT p.made FROM authority.proposal p WHERE p.book_id = book AND p.proposal_id = proposal);
    pulled bigint := (SELECT max(j.sequence) FROM ledger.journal j
                       WHERE j.book_id = book AND j.kind = 16 AND j.code = 1080 AND j.sequence < now.sequence);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('proposal', proposal, 'pulled', facts->>'pulled'));
    IF pulled IS NULL OR pulled > made OR facts->>'pulled' IS DISTINCT FROM pulled::text THEN
        PERFORM authority.refuse('brake_was_pulled_again');
    END IF;
END $$;

GRANT USAGE ON SCHEMA incident TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON incident.indicator TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader,
                                      ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA incident FROM PUBLIC;
GRANT EXECUTE ON FUNCTION incident.turn_indicator, incident.release_brake TO ringfence_core;
-- incident: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('incident');
SELECT ledger.fix_search_paths('incident');
