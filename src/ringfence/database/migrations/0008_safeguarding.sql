-- safeguarding: is all of it there, apart, and spread?
--
-- One table: what was tested, when, and up to which row of the journal. The figures of a test can be had again from the
-- journal, the statements and the reconciliations of its day; the SAFEGUARDING_TESTED event holds them in full.

CREATE SCHEMA safeguarding;

CREATE TABLE safeguarding.test (
    book_id               integer     NOT NULL REFERENCES ledger.book,
    day                   date        NOT NULL,
    currency              text        NOT NULL,
    number                integer     NOT NULL,
    test_id               uuid        NOT NULL,
    sequence              bigint      NOT NULL,
    customers             bigint      NOT NULL,
    owed                  bigint      NOT NULL,
    unallocated           bigint      NOT NULL,
    unrecorded            bigint      NOT NULL,
    negative_customers    bigint      NOT NULL,
    negative              bigint      NOT NULL,
    requirement           bigint      NOT NULL,
    bank                  bigint      NOT NULL,
    in_transit            bigint      NOT NULL,
    insured               bigint      NOT NULL,
    resource              bigint      NOT NULL,
    d_plus_one_requirement bigint     NOT NULL,
    d_plus_one_resource   bigint      NOT NULL,
    cashbook              bigint      NOT NULL,
    fees_due              bigint      NOT NULL,
    funding               bigint      NOT NULL,
    tested_at             timestamptz NOT NULL,
    CONSTRAINT test_is_unique PRIMARY KEY (book_id, day, currency, number),
    CONSTRAINT requirement_is_owed_and_unallocated CHECK (
        requirement = owed + unallocated AND owed >= 0 AND negative <= 0 AND unallocated >= unrecorded
        AND unrecorded >= 0),
    CONSTRAINT resource_is_what_is_there CHECK (resource = bank + in_transit + insured AND insured >= 0)
);
COMMENT ON COLUMN safeguarding.test.sequence IS 'the cut-off: rows of the journal before it count';
COMMENT ON COLUMN safeguarding.test.unrecorded IS 'the part of unallocated that the bank has and the books have not';
COMMENT ON COLUMN safeguarding.test.negative IS 'what customers owe; shown apart, it pays nobody';

-- The only way in, as part of the append that journals the test; numbered without a gap.
CREATE FUNCTION safeguarding.insert_test(test jsonb) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    new safeguarding.test := jsonb_populate_record(NULL::safeguarding.test, test);
BEGIN
    IF new.number <> 1 + (SELECT count(*) FROM safeguarding.test t
                           WHERE t.book_id = new.book_id AND t.day = new.day AND t.currency = new.currency) THEN
        RAISE EXCEPTION 'test % is not the next of %', new.number, new.day
              USING ERRCODE = 'RF500', CONSTRAINT = 'test_is_unique';
    END IF;
    INSERT INTO safeguarding.test SELECT new.*;
END $$;

GRANT USAGE ON SCHEMA safeguarding TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
GRANT SELECT ON safeguarding.test TO ringfence_core, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION safeguarding.insert_test FROM PUBLIC;
GRANT EXECUTE ON FUNCTION safeguarding.insert_test TO ringfence_core;
-- safeguarding: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('safeguarding');
SELECT ledger.fix_search_paths('safeguarding');
