-- What stands over a book (kinds 9 to 12) and the turns of its monitors (13), found without reading the movements.
CREATE INDEX journal_standing ON ledger.journal (book_id, kind, sequence) WHERE kind BETWEEN 9 AND 13;

-- Which monitor a turn is of. Payloads are UTF-8 wherever they are read, so this is the same for ever.
CREATE FUNCTION ledger.monitor_of(payload bytea) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$
    SELECT convert_from(payload, 'UTF8')::jsonb ->> 'monitor';
$$;
CREATE INDEX journal_turn ON ledger.journal (book_id, ledger.monitor_of(payload), sequence) WHERE kind = 13;
REVOKE ALL ON FUNCTION ledger.monitor_of FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.monitor_of
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;

-- The last turn of a monitor, by the index over their names. Row security keeps readers of the journal from that index,
-- because what reads the name may tell in an error what it was given; so this asks itself who serves the book.
CREATE FUNCTION ledger.last_turn(book integer, monitor text, OUT sequence bigint, OUT posted_at timestamptz, OUT payload bytea)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    part integer;
BEGIN
    IF book <> ALL (ledger.books_served()) THEN
        RETURN;
    END IF;
    FOR part IN SELECT p.part FROM ledger.part p ORDER BY p.part DESC LOOP
        EXECUTE format('SELECT t.sequence, t.posted_at, t.payload FROM ledger.%I t WHERE t.book_id = $1 AND t.kind = 13'
                       ' AND ledger.monitor_of(t.payload) = $2 ORDER BY t.sequence DESC LIMIT 1', 'journal_' || part)
           INTO sequence, posted_at, payload USING book, monitor;
        EXIT WHEN sequence IS NOT NULL;
    END LOOP;
END $$;
REVOKE ALL ON FUNCTION ledger.last_turn FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.last_turn
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;

-- The limits of an account follow the row that changed them, and nothing else.
CREATE FUNCTION ledger.limit_account(book integer, changed_by bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE ledger.account a
       SET minimum = (s.said ->> 'minimum')::bigint, maximum = (s.said ->> 'maximum')::bigint
      FROM (SELECT j.debit_account, convert_from(j.payload, 'UTF8')::jsonb AS said
              FROM ledger.journal j WHERE j.book_id = book AND j.sequence = changed_by AND j.kind = 9) s
     WHERE a.book_id = book AND a.account = s.debit_account;
$$;
REVOKE ALL ON FUNCTION ledger.limit_account FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.limit_account TO ringfence_core;
