-- ledger: what happened to the money?
--
-- A book has one journal: rows numbered from 0 without a gap, never changed, never deleted. Whoever appends first moves
-- the book's head from the number he has read to; the row lock on the book orders writers, and a writer whose number
-- is stale moves nothing and must read on. Everything else in this schema can be rebuilt from the journal.

CREATE SCHEMA ledger;

-- One custody programme. `head` is the number of journal rows; the two columns beside it say which rows the present
-- transaction has promised, and let the journal's guard check that it keeps the promise.
CREATE TABLE ledger.book (
    book_id      integer     PRIMARY KEY,
    name         text        NOT NULL UNIQUE,
    opened_at    timestamptz NOT NULL,
    head         bigint      NOT NULL DEFAULT 0,
    head_at      timestamptz NOT NULL,
    append_from  bigint      NOT NULL DEFAULT 0,
    append_by    xid8        NOT NULL DEFAULT '0',
    CONSTRAINT book_id_is_positive CHECK (book_id > 0),
    CONSTRAINT book_name_is_a_word CHECK (name ~ '^[a-z0-9][a-z0-9.-]{0,62}$'),
    CONSTRAINT book_head_counts_rows CHECK (head >= append_from AND append_from >= 0)
);

-- The journal. Column for column this is leaf v1 of docs/reference/evidence-format.md.
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
    CONSTRAINT journal_id_is_unique UNIQUE (book_id, id),
    CONSTRAINT journal_amount_is_not_negative CHECK (amount >= 0)
);

-- A pending transfer is resolved once (posted, voided or expired), and a transfer corrected once: kinds 3 to 6.
CREATE UNIQUE INDEX journal_refers_once ON ledger.journal (book_id, refers_to) WHERE refers_to IS NOT NULL;
-- What stands in the journal about one order.
CREATE INDEX journal_order ON ledger.journal (book_id, order_id, sequence) WHERE order_id IS NOT NULL;
-- Events by their name, for readers that look for one kind only; `code` holds the number of the event's name.
CREATE INDEX journal_event ON ledger.journal (book_id, code, sequence) WHERE kind = 16;

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
    last_at timestamptz;
BEGIN
    SELECT b.head_at INTO last_at FROM ledger.book b WHERE b.book_id = book AND b.head = expected FOR UPDATE;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    IF at < last_at THEN
        RAISE EXCEPTION 'the clock shows %, the book was last written at %', at, last_at USING ERRCODE = 'RF001';
    END IF;
    IF rows <= 0 THEN
        RAISE EXCEPTION 'an append has at least one row' USING ERRCODE = 'RF002';
    END IF;
    UPDATE ledger.book b
       SET head = expected + rows, head_at = at, append_from = expected, append_by = pg_current_xact_id()
     WHERE b.book_id = book AND b.append_by <> pg_current_xact_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a transaction appends once to a book' USING ERRCODE = 'RF002';
    END IF;
    RETURN true;
END $$;

-- The only way in, second half: a COPY into the journal holds exactly the promised rows of one book.
CREATE FUNCTION ledger.guard_journal() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    fits boolean;
BEGIN
    SELECT coalesce(bool_and(b.append_by = pg_current_xact_id() AND b.append_from = n.first AND b.head = n.last + 1
                             AND n.last - n.first + 1 = n.rows), false)
      INTO fits
      FROM (SELECT book_id, min(sequence) AS first, max(sequence) AS last, count(*) AS rows FROM appended GROUP BY book_id) n
      LEFT JOIN ledger.book b ON b.book_id = n.book_id;
    IF NOT fits AND EXISTS (SELECT FROM appended) THEN
        RAISE EXCEPTION 'rows enter the journal only as ledger.advance promised them' USING ERRCODE = 'RF002';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER journal_keeps_the_promise AFTER INSERT ON ledger.journal
    REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION ledger.guard_journal();

-- And a promise without its rows does not commit. The last row stands for all: the guard let in all or none.
CREATE FUNCTION ledger.guard_promise() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM ledger.journal j WHERE j.book_id = NEW.book_id AND j.sequence = NEW.head - 1) THEN
        RAISE EXCEPTION 'the promised rows are missing' USING ERRCODE = 'RF002';
    END IF;
    RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER book_promise_is_kept AFTER UPDATE OF head ON ledger.book
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger.guard_promise();

-- Not even the owner edits history by mistake.
CREATE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'the journal is append only' USING ERRCODE = 'RF003';
END $$;
CREATE TRIGGER journal_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger.journal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change();

CREATE FUNCTION ledger.open_book(book integer, called text, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    INSERT INTO ledger.book (book_id, name, opened_at, head_at) VALUES (book, called, at, at);
$$;

-- The number of rows posted at or before a time. posted_at never goes back, so the primary key can be bisected.
CREATE FUNCTION ledger.head_at(book integer, at timestamptz) RETURNS bigint
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    low  bigint := 0;
    high bigint := (SELECT b.head FROM ledger.book b WHERE b.book_id = book);
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
GRANT SELECT ON ledger.book, ledger.journal, ledger.account
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT INSERT ON ledger.journal, ledger.account TO ringfence_core;
GRANT UPDATE (closed) ON ledger.account TO ringfence_core;
REVOKE ALL ON FUNCTION ledger.advance, ledger.open_book, ledger.guard_journal, ledger.guard_promise,
                       ledger.refuse_change, ledger.head_at FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.advance, ledger.open_book TO ringfence_core;
GRANT EXECUTE ON FUNCTION ledger.head_at
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
-- Two rows a movement, one on each account, with the balance after: a projection that follows the journal, and the
-- index that the journal itself is spared. `change` is on the account's normal side.
CREATE TABLE ledger.entry (
    book_id    integer     NOT NULL,
    account    bigint      NOT NULL,
    sequence   bigint      NOT NULL,
    kind       smallint    NOT NULL,
    change     bigint      NOT NULL,
    outgoing   bigint      NOT NULL,
    incoming   bigint      NOT NULL,
    balance    bigint      NOT NULL,
    held       bigint      NOT NULL,
    expected   bigint      NOT NULL,
    CONSTRAINT entry_is_unique PRIMARY KEY (book_id, account, sequence)
);
COMMENT ON COLUMN ledger.entry.outgoing IS 'change of what is held for leaving (pending on the side that lowers the balance)';
COMMENT ON COLUMN ledger.entry.incoming IS 'change of what is expected to arrive (pending on the normal side)';
COMMENT ON COLUMN ledger.entry.held IS 'all that is held for leaving after this row; available = balance - held';

-- How far each reader has come.
CREATE TABLE ledger.projection (
    book_id   integer NOT NULL REFERENCES ledger.book,
    name      text    NOT NULL,
    sequence  bigint  NOT NULL,
    CONSTRAINT projection_is_unique PRIMARY KEY (book_id, name)
);

-- Every book has its entries.
CREATE FUNCTION ledger.begin_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO ledger.projection (book_id, name, sequence) VALUES (NEW.book_id, 'entry', 0);
    RETURN NULL;
END $$;
CREATE TRIGGER book_has_entries AFTER INSERT ON ledger.book FOR EACH ROW EXECUTE FUNCTION ledger.begin_entries();

-- Brings the entries up to the head, at most `rows` journal rows at a time; returns how far they are. Calls wait for one
-- another on the projection's row.
CREATE FUNCTION ledger.project_entries(book integer, rows bigint) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    first bigint;
    last  bigint;
BEGIN
    SELECT p.sequence INTO first FROM ledger.projection p WHERE p.book_id = book AND p.name = 'entry' FOR UPDATE;
    SELECT least(b.head, first + rows) INTO last FROM ledger.book b WHERE b.book_id = book;
    IF first = last THEN
        RETURN last;
    END IF;
    WITH movement AS (
        SELECT j.sequence, j.kind, j.debit_account, j.credit_account,
               CASE WHEN j.kind IN (1, 3, 6) THEN j.amount ELSE 0 END AS posted,
               CASE WHEN j.kind = 2 THEN j.amount WHEN j.kind IN (3, 4, 5) THEN -p.amount ELSE 0 END AS pending
          FROM ledger.journal j
          LEFT JOIN ledger.journal p ON j.kind IN (3, 4, 5) AND p.book_id = book AND p.id = j.refers_to
         WHERE j.book_id = book AND j.sequence >= first AND j.sequence < last AND j.kind <= 6
    ), leg AS (
        SELECT debit_account AS account, sequence, kind, true AS debit, posted, pending FROM movement
        UNION ALL
        SELECT credit_account, sequence, kind, false, posted, pending FROM movement
    ), change AS (
        SELECT l.account, l.sequence, l.kind,
               CASE WHEN l.debit = (a.side = 'debit') THEN l.posted ELSE -l.posted END AS change,
               CASE WHEN l.debit = (a.side = 'debit') THEN 0 ELSE l.pending END AS outgoing,
               CASE WHEN l.debit = (a.side = 'debit') THEN l.pending ELSE 0 END AS incoming
          FROM leg l JOIN ledger.account a ON a.book_id = book AND a.account = l.account
    ), before AS (
        SELECT t.account, coalesce(e.balance, 0) AS balance, coalesce(e.held, 0) AS held, coalesce(e.expected, 0) AS expected
          FROM (SELECT DISTINCT account FROM change) t
          LEFT JOIN LATERAL (SELECT * FROM ledger.entry e WHERE e.book_id = book AND e.account = t.account
                              ORDER BY e.sequence DESC LIMIT 1) e ON true
    )
    INSERT INTO ledger.entry (book_id, account, sequence, kind, change, outgoing, incoming, balance, held, expected)
    SELECT book, c.account, c.sequence, c.kind, c.change, c.outgoing, c.incoming,
           b.balance + sum(c.change) OVER sofar, b.held + sum(c.outgoing) OVER sofar, b.expected + sum(c.incoming) OVER sofar
      FROM change c JOIN before b USING (account)
    WINDOW sofar AS (PARTITION BY c.account ORDER BY c.sequence);
    UPDATE ledger.projection p SET sequence = last WHERE p.book_id = book AND p.name = 'entry';
    RETURN last;
END $$;

GRANT SELECT ON ledger.entry, ledger.projection
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION ledger.project_entries, ledger.begin_entries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.project_entries TO ringfence_core;
