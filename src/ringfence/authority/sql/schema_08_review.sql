-- authority, review: somebody looked at who may do what.

-- A review of access: by whom, at which row of the journal, what was found, and the SHA-256 of what was looked at.
CREATE TABLE authority.access_review (
    book_id       integer     NOT NULL,
    sequence      bigint      NOT NULL,
    person_id     text        NOT NULL,
    at            timestamptz NOT NULL,
    findings      integer     NOT NULL,
    state_sha256  bytea       NOT NULL,
    CONSTRAINT access_review_is_at_a_row PRIMARY KEY (book_id, sequence),
    CONSTRAINT access_review_is_by_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT access_review_counts_findings CHECK (findings >= 0),
    CONSTRAINT access_review_names_what_it_saw CHECK (length(state_sha256) = 32)
);
CREATE TRIGGER access_review_keeps_its_history BEFORE UPDATE OR DELETE OR TRUNCATE ON authority.access_review
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.record_access_review(book integer, event uuid, token_sha256 bytea, findings integer,
                                               state_sha256 bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1038);
    who text   := authority.require_recorder(book, record_access_review.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', who, 'findings', findings, 'state_sha256', encode(state_sha256, 'hex')));
    INSERT INTO authority.access_review (book_id, sequence, person_id, at, findings, state_sha256)
    VALUES (book, now.sequence, who, now.at, record_access_review.findings, record_access_review.state_sha256);
END $$;

GRANT SELECT ON authority.access_review TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.record_access_review FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.record_access_review TO ringfence_core;
