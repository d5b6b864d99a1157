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
