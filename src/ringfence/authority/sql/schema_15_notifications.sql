-- authority, notifications: a person is told when the own means to sign in change, or are used from somewhere else.
--
-- Each is written where the change is written, in the same append, and stays unread until the person says so. The core
-- sends it on as well, where the installation says how; `sent_at` is when that succeeded. Nothing here is secret: what
-- happened, when, and at which row of the journal.

CREATE TABLE authority.notification (
    book_id    integer     NOT NULL,
    number     bigint      GENERATED ALWAYS AS IDENTITY,
    person_id  text        NOT NULL,
    what       text        NOT NULL,
    at         timestamptz NOT NULL,
    sequence   bigint,
    read_at    timestamptz,
    sent_at    timestamptz,
    CONSTRAINT notification_is_unique PRIMARY KEY (book_id, number),
    CONSTRAINT notification_is_for_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT notification_is_known CHECK (what IN ('password_changed', 'password_reset', 'passkey_enrolled',
        'passkey_revoked', 'code_device_set', 'identity_bound', 'identity_released', 'signed_in_elsewhere', 'signed_in_after_failures'))
);
CREATE INDEX notification_person ON authority.notification (book_id, person_id, number);
CREATE INDEX notification_unsent ON authority.notification (book_id, number) WHERE sent_at IS NULL;

-- Of a notification only this moves: it is read once, and sent once.
CREATE FUNCTION authority.guard_notification() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - ARRAY['read_at', 'sent_at'] IS DISTINCT FROM to_jsonb(OLD) - ARRAY['read_at', 'sent_at']
       OR (OLD.read_at IS NOT NULL AND NEW.read_at IS DISTINCT FROM OLD.read_at) THEN
        RAISE EXCEPTION 'notification keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER notification_moves_forward BEFORE UPDATE ON authority.notification
    FOR EACH ROW EXECUTE FUNCTION authority.guard_notification();
CREATE TRIGGER notification_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.notification
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

CREATE FUNCTION authority.tell(book integer, person text, what text, sequence bigint, at timestamptz) RETURNS void
LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO authority.notification (book_id, person_id, what, sequence, at)
    VALUES (book, person, what, tell.sequence, tell.at);
$$;

-- From where a person has signed in: hashes of networks, for a year after the last time.
CREATE TABLE authority.known_place (
    book_id       integer     NOT NULL,
    person_id     text        NOT NULL,
    place_sha256  bytea       NOT NULL,
    last_at       timestamptz NOT NULL,
    CONSTRAINT known_place_is_one_a_person PRIMARY KEY (book_id, person_id, place_sha256),
    CONSTRAINT known_place_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person
);

-- The person of a session came from this place. The first one is nothing to be told of; each further one is.
CREATE FUNCTION authority.came_from(book integer, token_sha256 bytea, place_sha256 bytea, at timestamptz) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    who       text := authority.person_of_session(book, came_from.token_sha256, at);
    elsewhere boolean;
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    DELETE FROM authority.known_place k
     WHERE k.book_id = book AND k.person_id = who AND k.last_at < at - interval '1 year';
    SELECT count(*) > 0 AND bool_and(k.place_sha256 <> came_from.place_sha256) INTO elsewhere
      FROM authority.known_place k WHERE k.book_id = book AND k.person_id = who;
    INSERT INTO authority.known_place (book_id, person_id, place_sha256, last_at)
    VALUES (book, who, came_from.place_sha256, at)
    ON CONFLICT ON CONSTRAINT known_place_is_one_a_person DO UPDATE SET last_at = excluded.last_at;
    IF elsewhere THEN
        PERFORM authority.tell(book, who, 'signed_in_elsewhere', NULL, at);
    END IF;
    RETURN elsewhere;
END $$;

-- The notifications of the person of a session, the latest first.
CREATE FUNCTION authority.notifications_of(book integer, token_sha256 bytea, at timestamptz, latest integer)
RETURNS TABLE (number bigint, what text, happened_at timestamptz, sequence bigint, read_at timestamptz, sent_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT n.number, n.what, n.at, n.sequence, n.read_at, n.sent_at FROM authority.notification n
     WHERE n.book_id = book AND n.person_id = authority.person_of_session(book, notifications_of.token_sha256,
                                                                         notifications_of.at)
     ORDER BY n.number DESC LIMIT latest;
$$;

-- The person of a session has read the own notifications up to this one; how many were unread.
CREATE FUNCTION authority.read_notifications(book integer, token_sha256 bytea, up_to bigint, at timestamptz) RETURNS bigint
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    WITH found AS (
        UPDATE authority.notification n SET read_at = read_notifications.at
         WHERE n.book_id = book AND n.number <= up_to AND n.read_at IS NULL
           AND n.person_id = authority.person_of_session(book, read_notifications.token_sha256, read_notifications.at)
        RETURNING 1)
    SELECT count(*) FROM found;
$$;

-- What is to be sent to these people, the oldest first; what is older than a week is of no use any more.
CREATE FUNCTION authority.unsent_notifications(book integer, persons text[], at timestamptz, latest integer)
RETURNS TABLE (number bigint, person_id text, what text, happened_at timestamptz, sequence bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT n.number, n.person_id, n.what, n.at, n.sequence FROM authority.notification n
     WHERE n.book_id = book AND n.sent_at IS NULL AND n.person_id = ANY (persons)
       AND n.at > unsent_notifications.at - interval '7 days' ORDER BY n.number LIMIT latest;
$$;

CREATE FUNCTION authority.notification_was_sent(book integer, number bigint, at timestamptz) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
    UPDATE authority.notification n SET sent_at = notification_was_sent.at
     WHERE n.book_id = book AND n.number = notification_was_sent.number AND n.sent_at IS NULL;
$$;

-- Who may what: nobody writes a table, and nobody reads what another person is told.
REVOKE ALL ON FUNCTION authority.guard_notification, authority.tell, authority.came_from, authority.notifications_of,
    authority.read_notifications, authority.unsent_notifications, authority.notification_was_sent FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.came_from, authority.notifications_of, authority.read_notifications,
    authority.unsent_notifications, authority.notification_was_sent TO ringfence_core;
