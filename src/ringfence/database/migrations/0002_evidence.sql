-- evidence: what did the notary sign, and what did it refuse to sign?
--
-- The log itself (tiles, bundles, checkpoints) lies outside PostgreSQL, where whoever restores a database cannot reach it.
-- These two tables are the notary's word to the others; nobody else may write them, and nobody may change them.

CREATE SCHEMA evidence;

-- Every checkpoint that was published: the first `size` rows of the book's journal hash to `root`. `note` is the signed
-- note, byte for byte; root and size stand beside it to be asked for.
CREATE TABLE evidence.checkpoint (
    book_id    integer     NOT NULL REFERENCES ledger.book,
    size       bigint      NOT NULL,
    root       bytea       NOT NULL,
    note       text        NOT NULL,
    signed_at  timestamptz NOT NULL,
    CONSTRAINT checkpoint_is_unique PRIMARY KEY (book_id, size),
    CONSTRAINT checkpoint_size_is_not_negative CHECK (size >= 0),
    CONSTRAINT checkpoint_root_is_a_hash CHECK (octet_length(root) = 32)
);

-- What the notary found and would not sign over: the name of the refusal, its facts, and how far the log was signed then.
-- The same finding is raised once for each size.
CREATE TABLE evidence.alarm (
    book_id      integer     NOT NULL REFERENCES ledger.book,
    signed_size  bigint      NOT NULL,
    name         text        NOT NULL,
    facts        jsonb       NOT NULL,
    raised_at    timestamptz NOT NULL,
    CONSTRAINT alarm_is_unique PRIMARY KEY (book_id, signed_size, name, facts)
);
CREATE INDEX alarm_raised ON evidence.alarm (book_id, raised_at);

CREATE FUNCTION evidence.refuse_change() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    RAISE EXCEPTION 'what the notary said stays said' USING ERRCODE = 'RF020';
END $$;
CREATE TRIGGER checkpoint_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence.checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();
CREATE TRIGGER alarm_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON evidence.alarm
    FOR EACH STATEMENT EXECUTE FUNCTION evidence.refuse_change();

GRANT USAGE ON SCHEMA evidence
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON evidence.checkpoint, evidence.alarm
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT INSERT ON evidence.checkpoint, evidence.alarm TO ringfence_notary;
REVOKE ALL ON FUNCTION evidence.refuse_change FROM PUBLIC;
-- evidence: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('evidence');
SELECT ledger.fix_search_paths('evidence');
