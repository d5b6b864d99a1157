-- reconciliation: do we and the bank agree, item by item?
--
-- Matches are inserted and never changed; what is not matched is found by looking for what has no match. A discrepancy
-- is the only row here that changes, twice at most: accepted by a person, closed by its match. Nothing in this schema is
-- money, and no function of it writes to the tables that it tests.

CREATE SCHEMA reconciliation;

-- One reconciliation of one account. `cut` is the cut-off: rows of the journal before it count. `books_last` is the last
-- movement that counted, and `bank_until` the last statement (banking.statement.taken): the same two again are the same
-- run. `books_until` is where the next run begins to read the cashbook.
CREATE TABLE reconciliation.run (
    book_id            integer     NOT NULL REFERENCES ledger.book,
    account_name       text        NOT NULL,
    number             integer     NOT NULL,
    run_id             uuid        NOT NULL,
    day                date        NOT NULL,
    currency           text        NOT NULL,
    cut                bigint      NOT NULL,
    books_last         bigint      NOT NULL,
    books_until        bigint      NOT NULL,
    bank_until         bigint      NOT NULL,
    statement_id       text        NOT NULL,
    fingerprint        text        NOT NULL,
    verified_empty     boolean     NOT NULL,
    matched            bigint      NOT NULL,
    matched_in         bigint      NOT NULL,
    matched_out        bigint      NOT NULL,
    contra             integer     NOT NULL,
    opened             integer     NOT NULL,
    closed             integer     NOT NULL,
    accepted           integer     NOT NULL,
    missing_at_bank    integer     NOT NULL,
    missing_in_books   integer     NOT NULL,
    amount_differs     integer     NOT NULL,
    duplicate_at_bank  integer     NOT NULL,
    balance_differs    integer     NOT NULL,
    missing_at_bank_difference    bigint NOT NULL,
    missing_in_books_difference   bigint NOT NULL,
    amount_differs_difference     bigint NOT NULL,
    duplicate_at_bank_difference  bigint NOT NULL,
    balance_differs_difference    bigint NOT NULL,
    cashbook_closing   bigint      NOT NULL,
    bank_closing       bigint      NOT NULL,
    reconciled_at      timestamptz NOT NULL,
    CONSTRAINT run_is_unique PRIMARY KEY (book_id, account_name, number),
    CONSTRAINT reconciliation_proves_the_balance CHECK (
        bank_closing::numeric = cashbook_closing::numeric + missing_at_bank_difference + missing_in_books_difference
            + amount_differs_difference + duplicate_at_bank_difference + balance_differs_difference),
    FOREIGN KEY (book_id, account_name) REFERENCES banking.account (book_id, name)
);
CREATE INDEX run_day ON reconciliation.run (book_id, day);

-- A movement of ours and an entry of the bank's that are the same money. No foreign keys: match_items alone inserts
-- here, from the rows themselves, which are never deleted; two keys cost as much as the row (and a day has many).
CREATE TABLE reconciliation.match (
    book_id       integer NOT NULL,
    account_name  text    NOT NULL,
    sequence      bigint  NOT NULL,
    entry_key     text    NOT NULL,
    matched_by    text    NOT NULL,
    run           integer NOT NULL,
    CONSTRAINT movement_is_matched_once PRIMARY KEY (book_id, account_name, sequence),
    CONSTRAINT entry_is_matched_once UNIQUE (book_id, account_name, entry_key),
    CONSTRAINT match_is_on_a_key CHECK (matched_by IN ('end_to_end_id', 'bank_reference'))
);
-- Rows come in the order of runs, so a few blocks' summaries find those of one run.
CREATE INDEX match_run ON reconciliation.match USING brin (run);

-- Lines of one side that undo each other, one row for each of the two: a correction of ours and what it takes back (both
-- by sequence), a reversal of the bank's and what it reverses (both by key).
CREATE TABLE reconciliation.contra (
    book_id           integer NOT NULL,
    account_name      text    NOT NULL,
    sequence          bigint,
    entry_key         text,
    counter_sequence  bigint,
    counter_key       text,
    run               integer NOT NULL,
    CONSTRAINT movement_is_undone_once UNIQUE (book_id, account_name, sequence),
    CONSTRAINT entry_is_undone_once UNIQUE (book_id, account_name, entry_key),
    CONSTRAINT contra_is_within_a_side CHECK (
        num_nulls(sequence, counter_sequence) IN (0, 2) AND num_nulls(entry_key, counter_key) IN (0, 2)
        AND num_nulls(sequence, entry_key) = 1)
);
-- It has two keys, each of which may be null; a node that is to take the book over knows a row by the whole of it.
ALTER TABLE reconciliation.contra REPLICA IDENTITY FULL;

-- What is left over, one by one. `subject` follows from what the discrepancy is about; should the same come again after
-- it was closed, it is the next occurrence. `since` is the day on which its item was first left over. `difference` is
-- what the bank's balance has more than ours because of it.
CREATE TABLE reconciliation.discrepancy (
    book_id          integer     NOT NULL REFERENCES ledger.book,
    discrepancy_id   uuid        NOT NULL,
    subject          uuid        NOT NULL,
    occurrence       integer     NOT NULL,
    account_name     text        NOT NULL,
    kind             text        NOT NULL,
    currency         text        NOT NULL,
    since            date        NOT NULL,
    opened_day       date        NOT NULL,
    opened_run       integer     NOT NULL,
    sequence         bigint,
    books_amount     bigint,
    books_day        date,
    entry_key        text,
    bank_amount      bigint,
    bank_day         date,
    reversal         boolean,
    bank_reference   text,
    end_to_end_id    text,
    difference       bigint      NOT NULL,
    opened_at        timestamptz NOT NULL,
    accepted_by      text,
    accepted_reason  text,
    accepted_day     date,
    accepted_at      timestamptz,
    closed_because   text,
    closed_run       integer,
    closed_day       date,
    closed_at        timestamptz,
    CONSTRAINT discrepancy_is_unique PRIMARY KEY (book_id, discrepancy_id),
    CONSTRAINT occurrence_is_unique UNIQUE (book_id, subject, occurrence),
    CONSTRAINT discrepancy_kind_is_known CHECK (
        CASE kind WHEN 'missing_at_bank'   THEN sequence IS NOT NULL AND entry_key IS NULL     AND difference = -books_amount
                  WHEN 'missing_in_books'  THEN sequence IS NULL     AND entry_key IS NOT NULL AND difference = bank_amount
                  WHEN 'duplicate_at_bank' THEN sequence IS NULL     AND entry_key IS NOT NULL AND difference = bank_amount
                  WHEN 'amount_differs'    THEN sequence IS NOT NULL AND entry_key IS NOT NULL
                                                AND difference = bank_amount - books_amount AND difference <> 0
                  WHEN 'balance_differs'   THEN sequence IS NULL     AND entry_key IS NULL     AND difference <> 0
                  ELSE false END),
    CONSTRAINT acceptance_has_a_person_and_a_reason CHECK (
        (accepted_at IS NULL AND accepted_by IS NULL AND accepted_reason IS NULL AND accepted_day IS NULL)
        OR (accepted_at IS NOT NULL AND accepted_day IS NOT NULL AND btrim(accepted_by) <> ''
            AND length(btrim(accepted_reason)) BETWEEN 10 AND 500)),
    CONSTRAINT closing_has_a_run CHECK (
        num_nulls(closed_because, closed_run, closed_day, closed_at) IN (0, 4)),
    FOREIGN KEY (book_id, account_name) REFERENCES banking.account (book_id, name)
);
CREATE UNIQUE INDEX discrepancy_is_open_once ON reconciliation.discrepancy (book_id, subject) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_open ON reconciliation.discrepancy (book_id, account_name) WHERE closed_at IS NULL;
CREATE INDEX discrepancy_opened ON reconciliation.discrepancy (book_id, opened_at, discrepancy_id);

-- How far each account has been reconciled.
CREATE VIEW reconciliation.position AS
SELECT a.book_id, a.name AS account_name, a.ledger_account, coalesce(r.number, 0) AS number, r.day,
       coalesce(r.books_until, 0) AS books_until, coalesce(r.bank_until, 0) AS bank_until
  FROM banking.account a
  LEFT JOIN LATERAL (SELECT * FROM reconciliation.run r WHERE r.book_id = a.book_id AND r.account_name = a.name
                      ORDER BY r.number DESC LIMIT 1) r ON true;

-- Passes 1 and 2 over what was booked by `until_day`, before row `cut` of the journal and up to statement `last_taken`:
-- what no run has read yet, and what a run left over. Gives the number of the run that the matches belong to, and what
-- they leave, as arrays of objects. Called again before that run is written it goes on where it was, so a crash in
-- between leaves nothing to clean.
--
-- What is read is set aside and counted first, step by step: a plan made for ten rows does not survive a day of a
-- million, and a table that was filled for the first time has no statistics before autovacuum comes round.
--
-- An entry of nothing moves nothing; one to which the bank gave no reference is known by its key. `twin` is the matched
-- entry that an entry repeats, under the same key and with the same amount; `ordered` says that the end-to-end id is
-- that of a payment order.
CREATE FUNCTION reconciliation.match_items(book integer, which text, until_day date, cut bigint, last_taken bigint,
                                           OUT run integer, OUT movements jsonb, OUT entries jsonb)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    from_here record;
    matched   bigint;
    unknown   regclass;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('reconciliation ' || book || ' ' || which, 0));
    IF (SELECT p.sequence FROM ledger.projection p WHERE p.book_id = book AND p.name = 'entry') < cut THEN
        RAISE EXCEPTION 'entries do not reach row %', cut
              USING ERRCODE = 'RF400', CONSTRAINT = 'entries_reach_the_cut';
    END IF;
    SELECT * INTO STRICT from_here FROM reconciliation.position p WHERE p.book_id = book AND p.account_name = which;
    run := from_here.number + 1;
    FOR unknown IN SELECT c.oid FROM pg_class c WHERE c.reltuples < 0
           AND c.oid IN ('ledger.journal'::regclass, 'ledger.entry'::regclass, 'banking.entry'::regclass,
                         'banking.advice'::regclass, 'custody.cash_movement'::regclass) LOOP
        EXECUTE format('ANALYZE (SKIP_LOCKED) %s', unknown);
    END LOOP;
    DROP TABLE IF EXISTS pg_temp.reconciled_row, pg_temp.reconciled_movement, pg_temp.reconciled_line,
                         pg_temp.reconciled_entry, pg_temp.reconciled_pair;

    CREATE TEMPORARY TABLE reconciled_row ON COMMIT DROP AS
        SELECT e.sequence, e.change AS amount FROM ledger.entry e
         WHERE e.book_id = book AND e.account = from_here.ledger_account AND e.sequence >= from_here.books_until
           AND e.sequence < cut AND e.change <> 0
        UNION ALL
        SELECT d.sequence, d.books_amount FROM reconciliation.discrepancy d
         WHERE d.book_id = book AND d.account_name = which AND d.closed_at IS NULL
           AND d.sequence < from_here.books_until;
    ANALYZE pg_temp.reconciled_row;
    CREATE TEMPORARY TABLE reconciled_movement ON COMMIT DROP AS
        SELECT r.sequence, r.amount, j.id AS journal_id, j.kind, j.refers_to, j.value_date,
               CASE WHEN m.account_name = which THEN m.key_kind END AS key_kind,
               CASE WHEN m.account_name = which THEN m.key END AS key
          FROM pg_temp.reconciled_row r
          JOIN ledger.journal j ON j.book_id = book AND j.sequence = r.sequence AND j.value_date <= until_day
          LEFT JOIN custody.cash_movement m ON m.book_id = book AND m.journal_id = j.id
         WHERE NOT EXISTS (SELECT FROM reconciliation.match x
                            WHERE x.book_id = book AND x.account_name = which AND x.sequence = r.sequence)
           AND NOT EXISTS (SELECT FROM reconciliation.contra x
                            WHERE x.book_id = book AND x.account_name = which AND x.sequence = r.sequence);

    CREATE TEMPORARY TABLE reconciled_line ON COMMIT DROP AS
        SELECT s.taken, b.key, b.amount, b.booking_date, b.reversal, b.end_to_end_id,
               coalesce(b.bank_reference, b.key) AS bank_reference
          FROM banking.statement s
          JOIN banking.entry b ON b.book_id = s.book_id AND b.account_name = s.account_name
                              AND b.statement_id = s.statement_id
         WHERE s.book_id = book AND s.account_name = which AND s.taken > from_here.bank_until AND s.taken <= last_taken
           AND b.amount <> 0
        UNION ALL
        SELECT 0, d.entry_key, d.bank_amount, d.bank_day, d.reversal, d.end_to_end_id, d.bank_reference
          FROM reconciliation.discrepancy d
         WHERE d.book_id = book AND d.account_name = which AND d.closed_at IS NULL AND d.entry_key IS NOT NULL;
    ANALYZE pg_temp.reconciled_line;
    CREATE TEMPORARY TABLE reconciled_entry ON COMMIT DROP AS
        SELECT l.* FROM pg_temp.reconciled_line l
         WHERE NOT EXISTS (SELECT FROM reconciliation.match x
                            WHERE x.book_id = book AND x.account_name = which AND x.entry_key = l.key)
           AND NOT EXISTS (SELECT FROM reconciliation.contra x
                            WHERE x.book_id = book AND x.account_name = which AND x.entry_key = l.key);
    ANALYZE pg_temp.reconciled_movement, pg_temp.reconciled_entry;

    CREATE TEMPORARY TABLE reconciled_pair ON COMMIT DROP AS
        SELECT DISTINCT ON (m.sequence) m.sequence, e.key, m.key_kind FROM pg_temp.reconciled_movement m
          JOIN pg_temp.reconciled_entry e ON e.end_to_end_id = m.key AND e.amount = m.amount
         WHERE m.key_kind = 'end_to_end_id'
         ORDER BY m.sequence, e.taken, e.booking_date, e.key;
    ANALYZE pg_temp.reconciled_pair;
    INSERT INTO pg_temp.reconciled_pair
        SELECT DISTINCT ON (m.sequence) m.sequence, e.key, m.key_kind FROM pg_temp.reconciled_movement m
          JOIN pg_temp.reconciled_entry e ON e.bank_reference = m.key AND e.amount = m.amount
         WHERE m.key_kind = 'bank_reference'
           AND NOT EXISTS (SELECT FROM pg_temp.reconciled_pair p WHERE p.key = e.key)
         ORDER BY m.sequence, e.taken, e.booking_date, e.key;
    ANALYZE pg_temp.reconciled_pair;
    INSERT INTO reconciliation.match (book_id, account_name, sequence, entry_key, matched_by, run)
        SELECT book, which, p.sequence, p.key, p.key_kind, match_items.run FROM pg_temp.reconciled_pair p;
    GET DIAGNOSTICS matched = ROW_COUNT;
    IF matched > 1000 THEN
        ANALYZE reconciliation.match;
    END IF;

    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'sequence', m.sequence, 'journal_id', m.journal_id, 'amount', m.amount, 'day', m.value_date,
               'kind', m.kind, 'refers_to', m.refers_to, 'key_kind', m.key_kind, 'key', m.key) ORDER BY m.sequence), '[]')
      INTO movements FROM pg_temp.reconciled_movement m
     WHERE NOT EXISTS (SELECT FROM pg_temp.reconciled_pair p WHERE p.sequence = m.sequence);
    SELECT coalesce(jsonb_agg(jsonb_build_object(
               'key', e.key, 'amount', e.amount, 'day', e.booking_date, 'reversal', e.reversal,
               'bank_reference', e.bank_reference, 'end_to_end_id', e.end_to_end_id,
               'twin', reconciliation.twin(book, which, from_here.ledger_account, e.end_to_end_id, e.bank_reference,
                                           e.amount),
               'ordered', reconciliation.is_ordered(book, which, e.end_to_end_id))
               ORDER BY e.taken, e.booking_date, e.key), '[]')
      INTO entries FROM pg_temp.reconciled_entry e
     WHERE NOT EXISTS (SELECT FROM pg_temp.reconciled_pair p WHERE p.key = e.key);
END $$;

-- One look-up after another, so that each has one way to go, also right after a table was filled.
CREATE FUNCTION reconciliation.twin(book integer, which text, cashbook bigint, end_to_end text, reference text,
                                    worth bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    known record;
    ours  record;
    twin  text;
BEGIN
    FOR known IN SELECT * FROM (VALUES ('end_to_end_id', end_to_end), ('bank_reference', reference)) AS k (kind, key) LOOP
        SELECT c.journal_id AS id INTO ours FROM custody.cash_movement c
         WHERE c.book_id = book AND c.account_name = which AND c.key_kind = known.kind AND c.key = known.key;
        CONTINUE WHEN NOT FOUND;
        SELECT j.sequence INTO ours FROM ledger.journal j WHERE j.book_id = book AND j.id = ours.id;
        PERFORM FROM ledger.entry e
          WHERE e.book_id = book AND e.account = cashbook AND e.sequence = ours.sequence AND e.change = worth;
        CONTINUE WHEN NOT FOUND;
        SELECT x.entry_key INTO twin FROM reconciliation.match x
         WHERE x.book_id = book AND x.account_name = which AND x.sequence = ours.sequence;
        IF FOUND THEN
            RETURN twin;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

CREATE FUNCTION reconciliation.is_ordered(book integer, which text, end_to_end text) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
BEGIN
    RETURN end_to_end ~ '^[0-9a-f]{32}$' AND EXISTS (
        SELECT FROM banking.payment_order o
         WHERE o.book_id = book AND o.order_id = end_to_end::uuid AND o.account_name = which);
END $$;

-- Discrepancies as a run found them; part of the append that writes the run.
CREATE FUNCTION reconciliation.open_discrepancies(book integer, which text, of_run integer, on_day date, unit text,
                                                  at timestamptz, found jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO reconciliation.discrepancy (book_id, discrepancy_id, subject, occurrence, account_name, kind, currency,
                since, opened_day, opened_run, sequence, books_amount, books_day, entry_key, bank_amount, bank_day,
                reversal, bank_reference, end_to_end_id, difference, opened_at)
    SELECT book, f.discrepancy_id, f.subject, f.occurrence, which, f.kind, unit, f.since, on_day, of_run, f.sequence,
           f.books_amount, f.books_day, f.entry_key, f.bank_amount, f.bank_day, f.reversal, f.bank_reference,
           f.end_to_end_id, f.difference, at
      FROM jsonb_to_recordset(found) AS f (discrepancy_id uuid, subject uuid, occurrence integer, kind text, since date,
           sequence bigint, books_amount bigint, books_day date, entry_key text, bank_amount bigint, bank_day date,
           reversal boolean, bank_reference text, end_to_end_id text, difference bigint);
$$;

-- And those that it did not find again, with the reason.
CREATE FUNCTION reconciliation.close_discrepancies(book integer, of_run integer, on_day date, at timestamptz,
                                                   gone jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    closed bigint;
BEGIN
    UPDATE reconciliation.discrepancy d
       SET closed_because = g.because, closed_run = of_run, closed_day = on_day, closed_at = at
      FROM jsonb_to_recordset(gone) AS g (discrepancy_id uuid, because text)
     WHERE d.book_id = book AND d.discrepancy_id = g.discrepancy_id AND d.closed_at IS NULL;
    GET DIAGNOSTICS closed = ROW_COUNT;
    IF closed <> jsonb_array_length(gone) THEN
        RAISE EXCEPTION 'a discrepancy was closed meanwhile'
              USING ERRCODE = 'RF400', CONSTRAINT = 'reconciliation_is_the_next';
    END IF;
END $$;

CREATE FUNCTION reconciliation.accept_discrepancy(book integer, which uuid, person text, reason text, on_day date,
                                                  at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE reconciliation.discrepancy d
       SET accepted_by = person, accepted_reason = reason, accepted_day = on_day, accepted_at = at
     WHERE d.book_id = book AND d.discrepancy_id = which AND d.closed_at IS NULL AND d.accepted_at IS NULL;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'discrepancy % is not open', which
              USING ERRCODE = 'RF400', CONSTRAINT = 'discrepancy_is_still_open';
    END IF;
END $$;

CREATE FUNCTION reconciliation.insert_contra(book integer, which text, of_run integer, pairs jsonb) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO reconciliation.contra (book_id, account_name, sequence, entry_key, counter_sequence, counter_key, run)
    SELECT book, which, p.sequence, p.entry_key, p.counter_sequence, p.counter_key, of_run
      FROM jsonb_to_recordset(pairs) AS p (sequence bigint, entry_key text, counter_sequence bigint, counter_key text);
$$;

-- The last statement of a run's append: runs are numbered without a gap, days do not go back, and the discrepancies that
-- stand open after it lead from our closing balance to the bank's.
CREATE FUNCTION reconciliation.close_run(run jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    new   reconciliation.run := jsonb_populate_record(NULL::reconciliation.run, run);
    last  record;
    sums  record;
BEGIN
    SELECT p.number, p.day INTO STRICT last FROM reconciliation.position p
     WHERE p.book_id = new.book_id AND p.account_name = new.account_name;
    IF new.number <> last.number + 1 OR new.day < last.day THEN
        RAISE EXCEPTION 'run % of % follows run % of %', new.number, new.day, last.number, last.day
              USING ERRCODE = 'RF400', CONSTRAINT = 'reconciliation_is_the_next';
    END IF;
    SELECT coalesce(sum(d.difference), 0) AS difference, count(*) AS open INTO sums FROM reconciliation.discrepancy d
     WHERE d.book_id = new.book_id AND d.account_name = new.account_name AND d.closed_at IS NULL;
    IF new.cashbook_closing + sums.difference <> new.bank_closing
       OR sums.open <> new.missing_at_bank + new.missing_in_books + new.amount_differs + new.duplicate_at_bank
                        + new.balance_differs THEN
        RAISE EXCEPTION 'cashbook % and % of discrepancies do not make %', new.cashbook_closing, sums.difference,
                        new.bank_closing
              USING ERRCODE = 'RF400', CONSTRAINT = 'reconciliation_proves_the_balance';
    END IF;
    INSERT INTO reconciliation.run SELECT new.*;
    IF new.opened > 1000 THEN
        ANALYZE reconciliation.discrepancy;
    END IF;
END $$;

GRANT USAGE ON SCHEMA reconciliation TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON ALL TABLES IN SCHEMA reconciliation
   TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA reconciliation FROM PUBLIC;
GRANT EXECUTE ON FUNCTION reconciliation.match_items, reconciliation.open_discrepancies,
                          reconciliation.close_discrepancies, reconciliation.accept_discrepancy,
                          reconciliation.insert_contra, reconciliation.close_run TO ringfence_core;
-- reconciliation: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('reconciliation');
SELECT ledger.fix_search_paths('reconciliation');
