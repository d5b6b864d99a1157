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
