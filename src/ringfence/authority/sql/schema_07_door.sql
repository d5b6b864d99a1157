-- authority, door: how long what opens it lasts, and who knocks too often.

-- A security administrator sets the limits of the book's door, within the bounds of authority.door_limit.
CREATE FUNCTION authority.set_door_limits(book integer, event uuid, token_sha256 bytea, idle_seconds integer,
                                          session_seconds integer, signature_seconds integer) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1039);
    who text   := authority.require_administrator(book, set_door_limits.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('idle_seconds', idle_seconds, 'session_seconds', session_seconds,
                                                            'signature_seconds', signature_seconds, 'by', who));
    INSERT INTO authority.door_limit (book_id, idle_seconds, session_seconds, signature_seconds, set_at)
    VALUES (book, set_door_limits.idle_seconds, set_door_limits.session_seconds, set_door_limits.signature_seconds,
            now.sequence)
    ON CONFLICT ON CONSTRAINT door_limit_is_one_a_book DO UPDATE
       SET idle_seconds = excluded.idle_seconds, session_seconds = excluded.session_seconds,
           signature_seconds = excluded.signature_seconds, set_at = excluded.set_at;
END $$;

-- Failed sign-ins from one address, by its SHA-256. A success takes back the one that it was counted for and no other, so
-- that nobody who has a password of his own may guess those of others without end.
CREATE TABLE authority.knock (
    book_id         integer     NOT NULL REFERENCES ledger.book,
    address_sha256  bytea       NOT NULL,
    failures        integer     NOT NULL,
    last_at         timestamptz NOT NULL,
    locked_until    timestamptz NOT NULL,
    CONSTRAINT knock_is_one_an_address PRIMARY KEY (book_id, address_sha256)
);
CREATE INDEX knock_age ON authority.knock (book_id, last_at);

-- Counts an attempt from an address as failed before it is looked at; null, or until when the address is locked, in which
-- case it is not looked at. The 20th failure locks for 2 s, each further one twice as long, at most 15 minutes; after an
-- hour of quiet the count begins anew.
CREATE FUNCTION authority.knock_at(book integer, address_sha256 bytea, at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    known authority.knock;
    count integer;
BEGIN
    INSERT INTO authority.knock AS k (book_id, address_sha256, failures, last_at, locked_until)
    VALUES (book, knock_at.address_sha256, 0, at, '-infinity')
    ON CONFLICT ON CONSTRAINT knock_is_one_an_address DO UPDATE SET failures = k.failures
    RETURNING k.* INTO known;
    IF known.locked_until > at THEN
        RETURN known.locked_until;
    END IF;
    count := CASE WHEN known.last_at < at - interval '1 hour' THEN 1 ELSE least(known.failures + 1, 1000000) END;
    UPDATE authority.knock k
       SET failures = count, last_at = at,
           locked_until = CASE WHEN count < 20 THEN '-infinity'::timestamptz
                               ELSE at + least(interval '1 second' * 2 ^ least(count - 19, 20), interval '15 minutes') END
     WHERE k.book_id = book AND k.address_sha256 = knock_at.address_sha256;
    DELETE FROM authority.knock k WHERE k.book_id = book AND k.last_at < at - interval '1 day';
    RETURN NULL;
END $$;

CREATE FUNCTION authority.let_in_from(book integer, address_sha256 bytea) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE authority.knock k
       SET failures = greatest(k.failures - 1, 0),
           locked_until = CASE WHEN k.failures - 1 < 20 THEN '-infinity' ELSE k.locked_until END
     WHERE k.book_id = book AND k.address_sha256 = let_in_from.address_sha256;
$$;

GRANT SELECT ON authority.door_limit TO ringfence_core, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.set_door_limits, authority.knock_at, authority.let_in_from FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.set_door_limits, authority.knock_at, authority.let_in_from TO ringfence_core;
