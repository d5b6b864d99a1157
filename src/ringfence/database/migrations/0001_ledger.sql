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
-- What follows the journal: entries, totals, and the running sums for value dates. All three are moved together by
-- `ringfence.ledger.entries`, in one transaction with the row of ledger.projection that says how far they have come, and
-- all three can be made again from the journal.

-- Two rows a movement, one on each account, with the balance after: the index that the journal itself is spared.
-- Everything is on the account's normal side.
CREATE TABLE ledger.entry (
    book_id    integer     NOT NULL,
    account    bigint      NOT NULL,
    sequence   bigint      NOT NULL,
    change     bigint      NOT NULL,
    balance    bigint      NOT NULL,
    held       bigint      NOT NULL,
    expected   bigint      NOT NULL,
    CONSTRAINT entry_is_unique PRIMARY KEY (book_id, account, sequence)
);
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
);
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

-- Every book has its entries.
CREATE FUNCTION ledger.begin_entries() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    INSERT INTO ledger.projection (book_id, name, sequence) VALUES (NEW.book_id, 'entry', 0);
    RETURN NULL;
END $$;
CREATE TRIGGER book_has_entries AFTER INSERT ON ledger.book FOR EACH ROW EXECUTE FUNCTION ledger.begin_entries();

-- First step of a projector: takes the turn, for which others wait, and says how far the entries and the journal are.
-- A transaction that does nothing else (`alone`) does not wait for the disk when it commits: what a crash takes is the end
-- of the entries together with the sequence that says so, and it is made again from the journal, whose rows were on the
-- disk before anybody saw them. And if its program falls asleep, it loses the turn, with the transaction, in five seconds.
CREATE FUNCTION ledger.take_entries(book integer, alone boolean, OUT reached bigint, OUT head bigint)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF alone THEN
        PERFORM set_config('synchronous_commit', 'off', true),
                set_config('idle_in_transaction_session_timeout', '5s', true);
    END IF;
    SELECT p.sequence INTO reached FROM ledger.projection p WHERE p.book_id = book AND p.name = 'entry' FOR UPDATE;
    SELECT b.head INTO head FROM ledger.book b WHERE b.book_id = book;
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
       AND after > before AND after <= (SELECT b.head FROM ledger.book b WHERE b.book_id = book);
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
CREATE TRIGGER entry_comes_with_the_projection AFTER INSERT ON ledger.entry
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ledger.guard_entries();
CREATE TRIGGER shifted_entry_comes_with_the_projection AFTER INSERT ON ledger.shifted_entry
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
GRANT INSERT ON ledger.entry, ledger.shifted_entry TO ringfence_core;
REVOKE ALL ON FUNCTION ledger.begin_entries, ledger.take_entries, ledger.advance_entries, ledger.guard_entries,
                       ledger.forget_entries FROM PUBLIC;
GRANT EXECUTE ON FUNCTION ledger.take_entries, ledger.advance_entries TO ringfence_core;
