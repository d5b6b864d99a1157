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
