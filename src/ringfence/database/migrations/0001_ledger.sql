-- ledger: what happened to the money?
--
-- A book has one journal: rows numbered from 0 without a gap, never changed, never deleted. Whoever appends first moves
-- the book's head from the number he has read to; the row lock on the head orders writers, and a writer whose number
-- is stale moves nothing and must read on. Everything else in this schema can be rebuilt from the journal.

CREATE SCHEMA ledger;

-- One custody programme.
CREATE TABLE ledger.book (
    book_id      integer     PRIMARY KEY,
    name         text        NOT NULL UNIQUE,
    opened_at    timestamptz NOT NULL,
    CONSTRAINT book_id_is_positive CHECK (book_id > 0),
    CONSTRAINT book_name_is_a_word CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$')
);

-- Where a book's journal ends: `head` is the number of its rows. `append_from` and `append_by` say which rows the present
-- transaction has promised, so that the journal's guard can check that it keeps the promise. The last two columns bound
-- the times in ids of version 7 (see ledger.guard_journal). Moved by every append; the free room keeps it in its page.
CREATE TABLE ledger.head (
    book_id      integer     PRIMARY KEY REFERENCES ledger.book,
    head         bigint      NOT NULL DEFAULT 0,
    head_at      timestamptz NOT NULL,
    append_from  bigint      NOT NULL DEFAULT 0,
    append_by    xid8        NOT NULL DEFAULT '0',
    ids_until    uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    local_from   uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
    CONSTRAINT head_counts_rows CHECK (head >= append_from AND append_from >= 0)
) WITH (fillfactor = 20);

-- The journal. Column for column this is leaf v1 of docs/reference/evidence-format.md. It is kept in parts: part k holds
-- the same range of sequences of every book (docs/operate/partitions.md). An id is unique in the part by an index, and
-- over all parts by the guard.
CREATE TABLE ledger.journal (
    book_id         integer     NOT NULL,
    sequence        bigint      NOT NULL,
    kind            smallint    NOT NULL,
    flags           smallint    NOT NULL,
    id              uuid        NOT NULL,
    debit_account   bigint      NOT NULL,
    credit_account  bigint      NOT NULL,
    amount          bigint      NOT NULL,
    refers_to       uuid,
    order_id        uuid,
    code            integer     NOT NULL,
    value_date      date        NOT NULL,
    posted_at       timestamptz NOT NULL,
    expires_at      timestamptz,
    payload         bytea,
    CONSTRAINT journal_sequence_is_unique PRIMARY KEY (book_id, sequence),
    CONSTRAINT journal_amount_is_not_negative CHECK (amount >= 0)
) PARTITION BY RANGE (sequence);

-- What stands in the journal about one order.
CREATE INDEX journal_order ON ledger.journal (book_id, order_id, sequence) WHERE order_id IS NOT NULL;
-- Events by their name, for readers that look for one kind only; `code` holds the number of the event's name.
CREATE INDEX journal_event ON ledger.journal (book_id, code, sequence) WHERE kind = 16;

-- The parts of the journal: table ledger.journal_<part> holds the rows from `first` to before `last` of every book. A part
-- is closed when no row may enter it any more, and archived when its rows were written to a file and it lies in cold
-- storage, where it is read like any other.
CREATE TABLE ledger.part (
    part         integer     PRIMARY KEY,
    first        bigint      NOT NULL,
    last         bigint      NOT NULL,
    made_at      timestamptz NOT NULL,
    closed_at    timestamptz,
    archived_at  timestamptz,
    tablespace   text,
    file         text,
    file_sha256  bytea,
    CONSTRAINT part_holds_rows CHECK (first >= 0 AND first < last)
);

-- What a book has in a part that it has left: from here on it is never another. `sha256` is over leaf v1 of its rows, in order.
CREATE TABLE ledger.seal (
    book_id    integer     NOT NULL REFERENCES ledger.book,
    part       integer     NOT NULL REFERENCES ledger.part,
    rows       bigint      NOT NULL,
    sha256     bytea       NOT NULL,
    sealed_at  timestamptz NOT NULL,
    CONSTRAINT seal_is_unique PRIMARY KEY (book_id, part),
    CONSTRAINT seal_is_a_sha256 CHECK (length(sha256) = 32)
);

-- Accounts as the journal opened them. A projection, written in the append that opens or closes the account.
CREATE TABLE ledger.account (
    book_id    integer  NOT NULL REFERENCES ledger.book,
    account    bigint   NOT NULL,
    name       text     NOT NULL,
    currency   text     NOT NULL,
    side       text     NOT NULL,
    minimum    bigint,
    maximum    bigint,
    owner      text     NOT NULL,
    pool       text     NOT NULL,
    opened     bigint   NOT NULL,
    closed     bigint,
    CONSTRAINT account_is_unique PRIMARY KEY (book_id, account),
    CONSTRAINT account_name_is_unique UNIQUE (book_id, name),
    CONSTRAINT account_side_is_debit_or_credit CHECK (side IN ('debit', 'credit')),
    CONSTRAINT account_number_is_positive CHECK (account > 0)
);
CREATE INDEX account_owner ON ledger.account (book_id, owner);

-- The only way in, first half: promise `rows` more rows to a book that is read up to `expected`. False: somebody was
-- faster, read on. The clock of a book never goes back (SQLSTATE RF001).
CREATE FUNCTION ledger.advance(book integer, expected bigint, rows bigint, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now ledger.head;
BEGIN
    IF rows <= 0 THEN
        RAISE EXCEPTION 'an append has at least one row' USING ERRCODE = 'RF002';
    ELSIF book <> ALL (ledger.books_served()) THEN
        RAISE EXCEPTION 'this login serves no book %', book USING ERRCODE = 'insufficient_privilege';
    END IF;
    UPDATE ledger.head h
       SET head = expected + rows, head_at = at, append_from = expected, append_by = pg_current_xact_id()
     WHERE h.book_id = book AND h.head = expected AND h.head_at <= at AND h.append_by <> pg_current_xact_id();
    IF FOUND THEN
        RETURN true;
    END IF;
    SELECT h.* INTO now FROM ledger.head h WHERE h.book_id = book;
    IF now.append_by = pg_current_xact_id() THEN
        RAISE EXCEPTION 'a transaction appends once to a book' USING ERRCODE = 'RF002';
    END IF;
    IF now.head = expected AND at < now.head_at THEN
        RAISE EXCEPTION 'the clock shows %, the book was last written at %', at, now.head_at USING ERRCODE = 'RF001';
    END IF;
    RETURN false;
END $$;

-- For a writer that others overtook again and again: until its transaction ends nobody else appends to the book.
CREATE FUNCTION ledger.hold_head(book integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    PERFORM FROM ledger.head h WHERE h.book_id = book AND book = ANY (ledger.books_served()) FOR NO KEY UPDATE;
END $$;

-- The same, for a COPY that follows in the same message: being slower ends the message (SQLSTATE RF005).
CREATE FUNCTION ledger.promise(book integer, expected bigint, rows bigint, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT ledger.advance(book, expected, rows, at) THEN
        RAISE EXCEPTION 'the book does not end at row %', expected USING ERRCODE = 'RF005';
    END IF;
END $$;

-- The least id of version 7 (RFC 9562) of a time. Without a path of its own, so that it becomes a part of its caller.
CREATE FUNCTION ledger.id_at(at timestamptz) RETURNS uuid
LANGUAGE sql IMMUTABLE AS $$
    SELECT (lpad(to_hex(floor(extract(epoch FROM at AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0') || '70008000000000000000')::uuid
$$;

CREATE FUNCTION ledger.is_version_7(id uuid) RETURNS boolean
LANGUAGE sql IMMUTABLE AS $$
    SELECT get_byte(uuid_send(id), 6) >> 4 = 7 AND get_byte(uuid_send(id), 8) >> 6 = 2
$$;

-- The only way in, second half: what enters a part (its bounds are the arguments) in one statement are exactly the rows
-- that this transaction has promised there, all of one book.
--
-- Over all parts an id stands once, and is referred to once. An id of version 7 carries its time, and one from more than
-- a day ahead is refused; `ids_until` of the head keeps the latest that lay more than a minute ahead of its append. So in
-- the parts that a book has left there is no id of version 7 from `local_from` on, and only others need be looked for.
CREATE FUNCTION ledger.guard_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    book   integer := (SELECT a.book_id FROM appended a LIMIT 1);
    now    ledger.head;
    first  bigint;
    last   bigint;
    newest uuid;
    latest uuid;
    came   record;
BEGIN
    IF book IS NULL THEN
        RETURN NULL;
    END IF;
    SELECT h.* INTO now FROM ledger.head h WHERE h.book_id = book AND h.append_by = pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'rows enter the journal only as ledger.advance promised them' USING ERRCODE = 'RF002';
    END IF;
    IF TG_NARGS = 2 THEN
        first := TG_ARGV[0];
        last := TG_ARGV[1];
    ELSE
        SELECT p.first, p.last INTO first, last FROM ledger.part p WHERE now.append_from >= p.first AND now.append_from < p.last;
    END IF;
    newest := ledger.id_at(now.head_at + interval '1 minute');
    SELECT count(*) = least(now.head, last) - greatest(now.append_from, first)
           AND min(a.sequence) = greatest(now.append_from, first) AND max(a.sequence) = least(now.head, last) - 1
           AND bool_and(a.book_id = book) AS as_promised,
           bool_or(a.id > newest OR a.refers_to > newest) AS early
      INTO came FROM appended a;
    IF came.as_promised IS NOT TRUE THEN
        RAISE EXCEPTION 'rows enter the journal only as ledger.advance promised them' USING ERRCODE = 'RF002';
    END IF;
    IF came.early THEN
        SELECT x.id INTO latest
          FROM (SELECT a.id FROM appended a UNION ALL SELECT a.refers_to FROM appended a) x (id)
         WHERE x.id > newest AND ledger.is_version_7(x.id) ORDER BY x.id DESC LIMIT 1;
        IF latest > ledger.id_at(greatest(now.head_at, clock_timestamp()) + interval '1 day') THEN
            RAISE EXCEPTION 'the id % is of a time that has not come', latest
                USING ERRCODE = 'RF006', CONSTRAINT = 'journal_id_is_not_of_the_future';
        END IF;
        UPDATE ledger.head h SET ids_until = latest WHERE h.book_id = book AND h.ids_until < latest;
    END IF;
    IF first > 0 THEN
        PERFORM ledger.enter_part(book) WHERE now.append_from <= first;
        SELECT h.local_from INTO now.local_from FROM ledger.head h WHERE h.book_id = book;
        PERFORM ledger.refuse_known(
            book, first,
            array_agg(a.id) FILTER (WHERE NOT (a.id >= now.local_from AND ledger.is_version_7(a.id))),
            array_agg(a.refers_to) FILTER (WHERE a.kind BETWEEN 3 AND 6
                                             AND NOT (a.refers_to >= now.local_from AND ledger.is_version_7(a.refers_to))))
           FROM appended a;
    END IF;
    RETURN NULL;
END $$;

-- A book's first rows in another part: no id of version 7 from `local_from` on stands in the parts before.
CREATE FUNCTION ledger.enter_part(book integer) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE ledger.head h SET local_from = greatest(h.ids_until, ledger.id_at(h.head_at + interval '1 minute')) WHERE h.book_id = book;
$$;

-- Ids and references that stand in the parts before row `first` already. By the indexes, whatever the planner believes.
CREATE FUNCTION ledger.refuse_known(book integer, first bigint, ids uuid[], referred uuid[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
    known uuid;
BEGIN
    SELECT j.id INTO known FROM unnest(ids) x (id)
      JOIN ledger.journal j ON j.book_id = book AND j.id = x.id AND j.sequence < first LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the id % stands in the journal', known
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'journal_id_is_unique';
    END IF;
    SELECT j.refers_to INTO known FROM unnest(referred) x (id)
      JOIN ledger.journal j ON j.book_id = book AND j.refers_to = x.id AND j.kind BETWEEN 3 AND 6 AND j.sequence < first
     LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION 'the row % is referred to in the journal', known
            USING ERRCODE = 'unique_violation', CONSTRAINT = 'journal_refers_once';
    END IF;
END $$;

CREATE TRIGGER journal_keeps_the_promise AFTER INSERT ON ledger.journal
    REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION ledger.guard_journal();

-- And a promise without its rows does not commit. The first row in each part and the last one stand for all: the guard
-- let in all or none.
CREATE FUNCTION ledger.guard_promise() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.journal j WHERE j.book_id = NEW.book_id AND j.sequence = NEW.head - 1)
       OR EXISTS (SELECT FROM ledger.part p
                   WHERE p.last > NEW.append_from AND p.first < NEW.head
                     AND NOT EXISTS (SELECT FROM ledger.journal j WHERE j.book_id = NEW.book_id
                                        AND j.sequence = greatest(p.first, NEW.append_from))) THEN
        RAISE EXCEPTION 'the promised rows are missing' USING ERRCODE = 'RF002';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER head_promise_is_kept AFTER UPDATE OF head ON ledger.head
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.guard_promise();

-- A row as whoever asks for an append gives it: what the append itself adds (book, sequence, time) is not his to say.
CREATE TYPE ledger.given AS (
    kind            smallint,
    flags           smallint,
    id              uuid,
    debit_account   bigint,
    credit_account  bigint,
    amount          bigint,
    refers_to       uuid,
    order_id        uuid,
    code            integer,
    value_date      date,
    expires_at      timestamptz,
    payload         bytea
);

-- Both halves in one call, for few rows that go into one part. False: somebody was faster.
CREATE FUNCTION ledger.append(book integer, expected bigint, at timestamptz, rows ledger.given[]) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT ledger.advance(book, expected, cardinality(rows), at) THEN
        RETURN false;
    END IF;
    INSERT INTO ledger.journal (book_id, sequence, kind, flags, id, debit_account, credit_account, amount, refers_to,
                                order_id, code, value_date, posted_at, expires_at, payload)
    SELECT book, expected + r.place - 1, r.kind, r.flags, r.id, r.debit_account, r.credit_account, r.amount, r.refers_to,
           r.order_id, r.code, r.value_date, at, r.expires_at, r.payload
      FROM unnest(rows) WITH ORDINALITY
           r (kind, flags, id, debit_account, credit_account, amount, refers_to, order_id, code, value_date, expires_at,
              payload, place);
    RETURN true;
END $$;

-- Not even the owner edits history by mistake.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append only' USING ERRCODE = 'RF003';
END $$;
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.journal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

-- How many rows of a book a part holds that is made from now on.
CREATE FUNCTION ledger.part_rows() RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS $$ SELECT 50000000 $$;

-- An empty table like the journal, with what a part of it must have; `suffix` makes the names of it and of its indexes.
CREATE FUNCTION ledger.make_part_table(suffix text, first bigint, last bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    name text := 'journal_' || suffix;
BEGIN
    EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.journal INCLUDING CONSTRAINTS)', name);
    EXECUTE format('ALTER TABLE ledger.%I ADD CONSTRAINT %I PRIMARY KEY (book_id, sequence)', name,
                   'journal_sequence_is_unique_' || suffix);
    EXECUTE format('ALTER TABLE ledger.%I ADD CONSTRAINT %I UNIQUE (book_id, id)', name,
                   'journal_id_is_unique_' || suffix);
    -- A pending transfer is resolved once (posted, voided or expired), and a transfer corrected once: kinds 3 to 6.
    EXECUTE format('CREATE UNIQUE INDEX %I ON ledger.%I (book_id, refers_to)', 'journal_refers_once_' || suffix, name)
            || ' WHERE kind BETWEEN 3 AND 6';
    EXECUTE format('CREATE INDEX %I ON ledger.%I (book_id, order_id, sequence)', 'journal_order_' || suffix, name)
            || ' WHERE order_id IS NOT NULL';
    EXECUTE format('CREATE INDEX %I ON ledger.%I (book_id, code, sequence)', 'journal_event_' || suffix, name)
            || ' WHERE kind = 16';
    PERFORM ledger.guard_part(name, first, last);
END $$;

-- What makes a table a part: its guards. Rows are brought into it and read through the journal alone, where the policy of
-- the book stands: PostgreSQL takes no COPY into a table that has one.
CREATE FUNCTION ledger.guard_part(name text, first bigint, last bigint) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    EXECUTE format('CREATE TRIGGER journal_keeps_the_promise AFTER INSERT ON ledger.%I REFERENCING NEW TABLE AS appended'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION ledger.guard_journal(%L, %L)', name, first, last);
    EXECUTE format('CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.%I'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()', name);
END $$;

-- Parts up to the one that holds row `needed`; returns how many were made now. Whoever writes asks before he needs it;
-- nobody makes more than one part, or a million rows, ahead of the longest book. A table is made apart and then attached, which blocks nobody.
CREATE FUNCTION ledger.make_parts(needed bigint) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    part  integer;
    first bigint;
    size  bigint := ledger.part_rows();
    made  integer := 0;
BEGIN
    IF needed > coalesce((SELECT max(h.head) FROM ledger.head h), 0) + greatest(size, 1000000) THEN
        RAISE EXCEPTION 'no book is near row %', needed USING ERRCODE = 'RF002';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('ledger.make_parts', 0));
    LOOP
        SELECT coalesce(max(p.part) + 1, 0), coalesce(max(p.last), 0) INTO part, first FROM ledger.part p;
        EXIT WHEN first > needed;
        PERFORM ledger.make_part_table(part::text, first, first + size);
        EXECUTE format('GRANT INSERT ON ledger.%I TO ringfence_core', 'journal_' || part);
        EXECUTE format('ALTER TABLE ledger.journal ATTACH PARTITION ledger.%I FOR VALUES FROM (%s) TO (%s)', 'journal_' || part,
                       CASE part WHEN 0 THEN 'MINVALUE' ELSE first::text END, first + size);
        INSERT INTO ledger.part (part, first, last, made_at) VALUES (part, first, first + size, clock_timestamp());
        made := made + 1;
    END LOOP;
    RETURN made;
END $$;
SELECT ledger.make_parts(0);

-- Lets no row enter a part any more, if every book has left it and is sealed there; else returns the books that stop it.
-- Nobody opens a book meanwhile.
CREATE FUNCTION ledger.close_part(number integer, at timestamptz) RETURNS integer[]
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    inside integer[];
BEGIN
    LOCK TABLE ledger.book IN SHARE MODE;
    inside := ARRAY(SELECT b.book_id FROM ledger.book b
                     WHERE NOT EXISTS (SELECT FROM ledger.seal s WHERE s.book_id = b.book_id AND s.part = number)
                     ORDER BY b.book_id);
    IF cardinality(inside) = 0 THEN
        EXECUTE format('REVOKE INSERT ON ledger.%I FROM ringfence_core', 'journal_' || number);
        UPDATE ledger.part p SET closed_at = at WHERE p.part = number AND p.closed_at IS NULL;
    END IF;
    RETURN inside;
END $$;

-- A new book begins at row 0: the part of that row takes rows again, of the new book alone, since the others have left it.
CREATE FUNCTION ledger.open_first_part() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE ledger.part p SET closed_at = NULL WHERE p.part = 0 AND p.closed_at IS NOT NULL;
    IF FOUND THEN
        DROP TABLE IF EXISTS ledger.journal_0_cold;
        GRANT INSERT ON ledger.journal_0 TO ringfence_core;
    END IF;
END $$;

-- The rows of a closed part once more, in order, in another tablespace; nobody reads this table yet. RF002 if the two are
-- not alike.
CREATE FUNCTION ledger.copy_part(number integer, cold text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    part  ledger.part := (SELECT p FROM ledger.part p WHERE p.part = number AND p.closed_at IS NOT NULL);
    alike boolean;
BEGIN
    IF part.part IS NULL THEN
        RAISE EXCEPTION 'part % is not closed', number USING ERRCODE = 'RF002';
    END IF;
    PERFORM set_config('default_tablespace', cold, true);
    EXECUTE format('DROP TABLE IF EXISTS ledger.%I', 'journal_' || number || '_cold');
    EXECUTE format('CREATE TABLE ledger.%I (LIKE ledger.%I INCLUDING CONSTRAINTS INCLUDING INDEXES,'
                   ' CONSTRAINT part_range CHECK (sequence < %s AND sequence >= %s))',
                   'journal_' || number || '_cold', 'journal_' || number, part.last, part.first);
    EXECUTE format('INSERT INTO ledger.%I SELECT * FROM ledger.%I ORDER BY book_id, sequence',
                   'journal_' || number || '_cold', 'journal_' || number);
    EXECUTE format('SELECT (SELECT (count(*), bit_xor(hashtextextended(j::text, 0))) FROM ledger.%I j)'
                   '     = (SELECT (count(*), bit_xor(hashtextextended(j::text, 0))) FROM ledger.%I j)',
                   'journal_' || number || '_cold', 'journal_' || number) INTO alike;
    IF alike IS NOT TRUE THEN
        RAISE EXCEPTION 'the copy of part % is not like it', number USING ERRCODE = 'RF002';
    END IF;
    PERFORM ledger.guard_part('journal_' || number || '_cold', part.first, part.last);
END $$;

-- The copy takes the part's place, its name and the names of its indexes, in one moment in which nobody reads the journal
-- and nobody opens a book (whose rows would enter the part).
CREATE FUNCTION ledger.swap_part(number integer, cold text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    part  ledger.part;
    names jsonb;
    each  record;
BEGIN
    LOCK TABLE ledger.book IN SHARE MODE;
    part := (SELECT p FROM ledger.part p WHERE p.part = number AND p.closed_at IS NOT NULL);
    IF part.part IS NULL THEN
        RAISE EXCEPTION 'part % is not closed', number USING ERRCODE = 'RF002';
    END IF;
    EXECUTE format('ALTER TABLE ledger.journal DETACH PARTITION ledger.%I', 'journal_' || number);
    SELECT jsonb_object_agg(x.definition, x.name) INTO names
      FROM ledger.indexes_of('journal_' || number) x;
    EXECUTE format('DROP TABLE ledger.%I', 'journal_' || number);
    FOR each IN SELECT x.name, names ->> x.definition AS wanted FROM ledger.indexes_of('journal_' || number || '_cold') x LOOP
        EXECUTE format('ALTER INDEX ledger.%I RENAME TO %I', each.name, each.wanted);
    END LOOP;
    EXECUTE format('ALTER TABLE ledger.%I RENAME TO %I', 'journal_' || number || '_cold', 'journal_' || number);
    EXECUTE format('ALTER TABLE ledger.journal ATTACH PARTITION ledger.%I FOR VALUES FROM (%s) TO (%s)', 'journal_' || number,
                   CASE number WHEN 0 THEN 'MINVALUE' ELSE part.first::text END, part.last);
    EXECUTE format('ALTER TABLE ledger.%I DROP CONSTRAINT part_range', 'journal_' || number);
    UPDATE ledger.part p SET tablespace = cold WHERE p.part = number;
END $$;

-- The indexes of a part, and what they are but for their names.
CREATE FUNCTION ledger.indexes_of(part text) RETURNS TABLE (name text, definition text)
LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT c.relname::text, regexp_replace(pg_get_indexdef(i.indexrelid), ' INDEX .* ON .* USING ', ' ')
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE i.indrelid = to_regclass(format('ledger.%I', part))
$$;

-- The number of rows posted at or before a time. posted_at never goes back, so the primary key can be bisected.
CREATE FUNCTION ledger.head_at(book integer, at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    low  bigint := 0;
    high bigint := (SELECT h.head FROM ledger.head h WHERE h.book_id = book);
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT j.posted_at FROM ledger.journal j WHERE j.book_id = book AND j.sequence = middle) <= at THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END $$;

-- Who may what. Nobody may UPDATE or DELETE; only the core appends.
GRANT USAGE ON SCHEMA ledger TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON ledger.book, ledger.head, ledger.journal, ledger.account, ledger.part, ledger.seal
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT INSERT ON ledger.account TO ringfence_core;
GRANT UPDATE (closed) ON ledger.account TO ringfence_core;
REVOKE ALL ON FUNCTION ledger.advance, ledger.hold_head, ledger.promise, ledger.append,
                       ledger.guard_journal, ledger.guard_promise, ledger.id_at, ledger.is_version_7, ledger.enter_part,
                       ledger.refuse_known, ledger.make_part_table, ledger.guard_part, ledger.make_parts,
                       ledger.part_rows, ledger.close_part, ledger.open_first_part, ledger.copy_part, ledger.swap_part,
                       ledger.indexes_of, ledger.refuse_change, ledger.head_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.advance, ledger.hold_head, ledger.promise, ledger.append, ledger.make_parts
   TO ringfence_core;
GRANT EXECUTE ON FUNCTION ledger.head_at
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
-- What follows the journal: entries, totals, and the running sums for value dates. All three are moved together by
-- `ringfence.ledger.entries`, in one transaction with the row of ledger.projection that says how far they have come, and
-- all three can be made again from the journal.

-- Two rows a movement, one on each account, with the balance after: the index that the journal itself is spared.
-- Everything is on the account's normal side. Rows are copied into ledger.entry_rows, which nobody reads, and read here,
-- where the policy of the book stands (PostgreSQL takes no COPY into a table that has one).
CREATE TABLE ledger.entry (
    book_id    integer     NOT NULL,
    account    bigint      NOT NULL,
    sequence   bigint      NOT NULL,
    change     bigint      NOT NULL,
    balance    bigint      NOT NULL,
    held       bigint      NOT NULL,
    expected   bigint      NOT NULL,
    CONSTRAINT entry_is_unique PRIMARY KEY (book_id, account, sequence)
) PARTITION BY RANGE (sequence);
CREATE TABLE ledger.entry_rows PARTITION OF ledger.entry FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
COMMENT ON COLUMN ledger.entry.change IS 'of the balance; a row that only holds or releases changes it by 0';
COMMENT ON COLUMN ledger.entry.held IS 'all that is held for leaving after this row; available = balance - held';
COMMENT ON COLUMN ledger.entry.expected IS 'all that is expected to arrive after this row';

-- The entries whose value date is not the day (UTC) on which they were posted, and the sum of all changes of the account
-- that are shifted by as many days, this one included. Within one shift value dates ascend as sequences do, so that one
-- look into the index tells the sum up to a value date and a sequence at once.
CREATE TABLE ledger.shifted_entry (
    book_id    integer     NOT NULL,
    account    bigint      NOT NULL,
    shift      integer     NOT NULL,
    value_date date        NOT NULL,
    sequence   bigint      NOT NULL,
    total      bigint      NOT NULL,
    CONSTRAINT shifted_entry_is_unique PRIMARY KEY (book_id, account, shift, value_date, sequence),
    CONSTRAINT shifted_entry_is_shifted CHECK (shift <> 0)
) PARTITION BY RANGE (sequence);
CREATE TABLE ledger.shifted_entry_rows PARTITION OF ledger.shifted_entry FOR VALUES FROM (MINVALUE) TO (MAXVALUE);
COMMENT ON COLUMN ledger.shifted_entry.shift IS 'days from the day of posting to the value date; negative: value in the past';

-- What the accounts of one owner class, pool, currency and side have together. Wider than the 64 bits of one account.
CREATE TABLE ledger.total (
    book_id     integer    NOT NULL,
    owner_class text       NOT NULL,
    pool        text       NOT NULL,
    currency    text       NOT NULL,
    side        text       NOT NULL,
    balance     numeric    NOT NULL,
    held        numeric    NOT NULL,
    expected    numeric    NOT NULL,
    sequence    bigint     NOT NULL,
    CONSTRAINT total_is_unique PRIMARY KEY (book_id, owner_class, pool, currency, side)
);
COMMENT ON COLUMN ledger.total.sequence IS 'rows before this one are in it; none of its accounts moved since, up to ledger.projection';

-- How far each reader has come: rows before `sequence` are in. A transaction that moved it says so, for the guard below.
CREATE TABLE ledger.projection (
    book_id    integer NOT NULL REFERENCES ledger.book,
    name       text    NOT NULL,
    sequence   bigint  NOT NULL,
    moved_from bigint  NOT NULL DEFAULT 0,
    moved_by   xid8    NOT NULL DEFAULT '0',
    CONSTRAINT projection_is_unique PRIMARY KEY (book_id, name)
);

-- Every book has its entries. On the head, which lies where the book lies; the registry may be kept on every node.
CREATE FUNCTION ledger.begin_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO ledger.projection (book_id, name, sequence) VALUES (NEW.book_id, 'entry', 0);
    RETURN NULL;
END $$;
CREATE TRIGGER book_has_entries AFTER INSERT ON ledger.head FOR EACH ROW EXECUTE FUNCTION ledger.begin_entries();

-- First step of a projector: takes the turn, for which others wait, and says how far the entries and the journal are.
-- A transaction that does nothing else (`alone`) does not wait for the disk when it commits: what a crash takes is the end
-- of the entries together with the sequence that says so, and it is made again from the journal, whose rows were on the
-- disk before anybody saw them. And if its program falls asleep, it loses the turn, with the transaction, in five seconds.
CREATE FUNCTION ledger.take_entries(book integer, alone boolean, OUT reached bigint, OUT head bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF alone THEN
        PERFORM set_config('synchronous_commit', 'off', true), set_config('work_mem', '64MB', true),
                set_config('idle_in_transaction_session_timeout', '5s', true);
    END IF;
    SELECT p.sequence INTO reached FROM ledger.projection p WHERE p.book_id = book AND p.name = 'entry' FOR UPDATE;
    SELECT b.head INTO head FROM ledger.head b WHERE b.book_id = book AND reached IS NOT NULL;
END $$;

-- Second step: moves the projection from where it was to a row that the journal has, and adds what that changes to the
-- totals. Entries of these rows may then come, in the same transaction. Whoever was overtaken gets SQLSTATE RF004.
CREATE FUNCTION ledger.advance_entries(book integer, before bigint, after bigint, owner_classes text[], pools text[],
                                       currencies text[], sides text[], balances numeric[], helds numeric[],
                                       expecteds numeric[])
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    UPDATE ledger.projection p
       SET sequence = after, moved_by = pg_current_xact_id(),
           moved_from = CASE WHEN p.moved_by = pg_current_xact_id() THEN p.moved_from ELSE before END
     WHERE p.book_id = book AND p.name = 'entry' AND p.sequence = before
       AND after > before AND after <= (SELECT b.head FROM ledger.head b WHERE b.book_id = book);
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the entries are not at row %, or the journal has no row %', before, after USING ERRCODE = 'RF004';
    END IF;
    INSERT INTO ledger.total AS t (book_id, owner_class, pool, currency, side, balance, held, expected, sequence)
    SELECT book, n.owner_class, n.pool, n.currency, n.side, n.balance, n.held, n.expected, after
      FROM unnest(owner_classes, pools, currencies, sides, balances, helds, expecteds)
           AS n (owner_class, pool, currency, side, balance, held, expected)
        ON CONFLICT ON CONSTRAINT total_is_unique DO UPDATE
       SET balance = t.balance + excluded.balance, held = t.held + excluded.held,
           expected = t.expected + excluded.expected, sequence = excluded.sequence;
END $$;

-- Entries come only in the transaction that moved the projection over their rows.
CREATE FUNCTION ledger.guard_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    fits boolean;
BEGIN
    SELECT bool_and(coalesce(p.moved_by = pg_current_xact_id() AND p.moved_from <= n.first AND n.last < p.sequence, false))
      INTO fits
      FROM (SELECT book_id, min(sequence) AS first, max(sequence) AS last FROM added GROUP BY book_id) n
      LEFT JOIN ledger.projection p ON p.book_id = n.book_id AND p.name = 'entry';
    IF NOT fits THEN
        RAISE EXCEPTION 'entries come only with the projection' USING ERRCODE = 'RF004';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER entry_comes_with_the_projection AFTER INSERT ON ledger.entry_rows
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.guard_entries();
CREATE TRIGGER shifted_entry_comes_with_the_projection AFTER INSERT ON ledger.shifted_entry_rows
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.guard_entries();

-- For the owner alone: takes everything back to row 0, to be made again by the next projector.
CREATE FUNCTION ledger.forget_entries(book integer) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE ledger.projection SET sequence = 0 WHERE book_id = book AND name = 'entry';
    DELETE FROM ledger.entry WHERE book_id = book;
    DELETE FROM ledger.shifted_entry WHERE book_id = book;
    DELETE FROM ledger.total WHERE book_id = book;
$$;

GRANT SELECT ON ledger.entry, ledger.shifted_entry, ledger.total, ledger.projection
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT INSERT ON ledger.entry_rows, ledger.shifted_entry_rows TO ringfence_core;
REVOKE ALL ON FUNCTION ledger.begin_entries, ledger.take_entries, ledger.advance_entries, ledger.guard_entries,
                       ledger.forget_entries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.take_entries, ledger.advance_entries TO ringfence_core;
-- ledger, serving: which login serves which book.
--
-- Whoever has the login of one book's core neither sees nor touches another book. Every table that has a `book_id`, of
-- every package, carries the policy `book_is_served`: a row is there for a session if its login serves the row's book.
-- What counts is the login that was authenticated (session_user): no SET changes it, and it is the same inside a function
-- that runs with its owner's rights, where the policy holds too (FORCE). The books are found once a statement.
--
-- A book is served by the logins that all books share until it gets logins of its own (docs/operate/logins.md).

CREATE TABLE ledger.service (
    login   name      NOT NULL,
    shared  boolean   NOT NULL,
    books   integer[] NOT NULL,
    CONSTRAINT service_is_one_a_login PRIMARY KEY (login)
);
INSERT INTO ledger.service (login, shared, books)
VALUES ('ringfence_core', true, '{}'), ('ringfence_gateway', true, '{}'), ('ringfence_notary', true, '{}'),
       ('ringfence_reader', true, '{}'), ('ringfence_auditor', true, '{}');

-- The books of this session: those of its login; all of them for the owner, for who is a member of the owner, and so for a
-- superuser; none for anybody else.
CREATE FUNCTION ledger.books_served() RETURNS integer[]
LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    served integer[] := (SELECT s.books FROM ledger.service s WHERE s.login = session_user);
BEGIN
    IF served IS NULL AND pg_has_role(session_user, 'ringfence_owner', 'MEMBER') THEN
        served := ARRAY(SELECT b.book_id FROM ledger.book b);
    END IF;
    RETURN coalesce(served, '{}');
END $$;

-- The last word of each package's schema: every table that has a book gets the policy. Parts have none: nobody of ours
-- reads them, and what may be brought in is their guards' to say.
CREATE FUNCTION ledger.keep_books_apart(package text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    each regclass;
BEGIN
    FOR each IN SELECT c.oid FROM pg_class c
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'book_id' AND NOT a.attisdropped
                 WHERE c.relnamespace = package::regnamespace AND c.relkind IN ('r', 'p')
                   AND NOT c.relispartition AND NOT c.relrowsecurity LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', each);
        EXECUTE format('CREATE POLICY book_is_served ON %s'
                       ' USING (book_id = ANY ((SELECT ledger.books_served())::integer[]))', each);
    END LOOP;
END $$;

-- The same for functions: PostgreSQL looks for a type's name among the session's temporary objects first unless the path
-- names them last, and whoever calls a function that runs with its owner's rights shall not say what `text` means in it.
CREATE FUNCTION ledger.fix_search_paths(package text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    each regprocedure;
BEGIN
    FOR each IN SELECT p.oid FROM pg_proc p
                 WHERE p.pronamespace = package::regnamespace AND 'search_path=pg_catalog' = ANY (p.proconfig) LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = pg_catalog, pg_temp', each);
    END LOOP;
END $$;

-- The number of the next book; null if there is one of that name.
CREATE FUNCTION ledger.next_book(called text) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(max(b.book_id), 0) + 1 FROM ledger.book b HAVING bool_and(b.name <> called) IS NOT FALSE;
$$;

-- A login of one book opens no further one.
CREATE FUNCTION ledger.open_book(book integer, called text, at timestamptz) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF EXISTS (SELECT FROM ledger.service s WHERE s.login = session_user AND NOT s.shared) THEN
        RAISE EXCEPTION 'the login % serves the books that it was given', session_user USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO ledger.book (book_id, name, opened_at) VALUES (book, called, at);
    UPDATE ledger.service s SET books = s.books || book WHERE s.shared;
    INSERT INTO ledger.head (book_id, head_at) VALUES (book, at);
    PERFORM ledger.open_first_part();
END $$;

-- For the owner alone: from now on these logins serve the book, and no shared one does.
CREATE FUNCTION ledger.serve_apart(book integer, logins name[]) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO ledger.service AS s (login, shared, books) SELECT login, false, ARRAY[book] FROM unnest(logins) login
    ON CONFLICT ON CONSTRAINT service_is_one_a_login DO UPDATE SET books = array_remove(s.books, book) || book;
    UPDATE ledger.service s SET books = array_remove(s.books, book) WHERE s.login <> ALL (logins);
$$;

-- And back: the shared logins serve it, and no other.
CREATE FUNCTION ledger.serve_together(book integer) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    UPDATE ledger.service s SET books = array_remove(s.books, book) || CASE WHEN s.shared THEN ARRAY[book] ELSE '{}' END;
    DELETE FROM ledger.service s WHERE NOT s.shared AND s.books = '{}';
$$;

REVOKE ALL ON FUNCTION ledger.books_served, ledger.keep_books_apart, ledger.fix_search_paths, ledger.next_book,
                       ledger.open_book, ledger.serve_apart, ledger.serve_together FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.books_served
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT EXECUTE ON FUNCTION ledger.next_book, ledger.open_book TO ringfence_core;
-- Snapshots of balances: a cache of the writer's, so that a start reads the tail of the journal and not all of it. Only
-- the core reads and writes them; the notary keeps its own, and finds out a writer that was misled.
CREATE TABLE ledger.snapshot (
    book_id   integer  NOT NULL REFERENCES ledger.book,
    sequence  bigint   NOT NULL,
    part      smallint NOT NULL,
    content   bytea    NOT NULL,
    CONSTRAINT snapshot_part_is_unique PRIMARY KEY (book_id, sequence, part)
);
ALTER TABLE ledger.snapshot ALTER COLUMN content SET STORAGE EXTERNAL;  -- numbers: compressing costs more than it saves

-- Keeps the newest ones of a book.
CREATE FUNCTION ledger.drop_snapshots(book integer, kept integer) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    DELETE FROM ledger.snapshot s
     WHERE s.book_id = book
       AND s.sequence NOT IN (SELECT DISTINCT n.sequence FROM ledger.snapshot n WHERE n.book_id = book
                               ORDER BY n.sequence DESC LIMIT kept);
$$;

GRANT SELECT, INSERT ON ledger.snapshot TO ringfence_core;
REVOKE ALL ON FUNCTION ledger.drop_snapshots FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.drop_snapshots TO ringfence_core;
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
-- ledger: a row is there for whoever serves its book. The owner passes in three tables. The registry: a book is entered before
-- anybody serves it. Head and journal: an append looks at them five times; ledger.advance asks once who serves the book, and
-- whatever else reads them with the owner's rights reads rows that this transaction has promised, or asks too.
SELECT ledger.keep_books_apart('ledger');
ALTER TABLE ledger.book NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.head NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.journal NO FORCE ROW LEVEL SECURITY;
SELECT ledger.fix_search_paths('ledger');
