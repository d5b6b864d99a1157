-- authority, training: who has completed which course, and since when it no longer counts.
--
-- Which roles require a course, and for how many months a completion is good, is part of the policy: changed by two people,
-- and a proposal is judged by the version that was in force when it was made. A completion is good from its day to the same
-- day so many months later, that day included, in UTC; a month that has no such day ends with its last.

-- A completion is recorded at a row of the journal and perhaps withdrawn at another.
CREATE TABLE authority.completion (
    book_id       integer NOT NULL,
    recorded      bigint  NOT NULL,
    person_id     text    NOT NULL,
    course        text    NOT NULL,
    completed_on  date    NOT NULL,
    recorded_by   text    NOT NULL,
    withdrawn     bigint,
    CONSTRAINT completion_is_recorded_once PRIMARY KEY (book_id, recorded),
    CONSTRAINT completion_is_of_a_person FOREIGN KEY (book_id, person_id) REFERENCES authority.person,
    CONSTRAINT completion_is_recorded_by_another CHECK (recorded_by <> person_id),
    CONSTRAINT completion_is_withdrawn_later CHECK (withdrawn > recorded)
);
CREATE INDEX completion_person ON authority.completion (book_id, person_id, course);

-- Of a completion nothing changes but that it is withdrawn, once.
CREATE FUNCTION authority.guard_completion() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF to_jsonb(NEW) - 'withdrawn' IS DISTINCT FROM to_jsonb(OLD) - 'withdrawn' OR OLD.withdrawn IS NOT NULL THEN
        RAISE EXCEPTION 'completion keeps its history' USING ERRCODE = 'RF003';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER completion_is_withdrawn_or_stays BEFORE UPDATE ON authority.completion
    FOR EACH ROW EXECUTE FUNCTION authority.guard_completion();
CREATE TRIGGER completion_keeps_its_history BEFORE DELETE OR TRUNCATE ON authority.completion
    FOR EACH STATEMENT EXECUTE FUNCTION authority.refuse_change();

-- The roles that a person may not use to approve, because a course that they require is not current. `document` is a
-- policy's.
CREATE FUNCTION authority.suspended_roles(book integer, document jsonb, person text, at timestamptz) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS $$
    SELECT coalesce(array_agg(DISTINCT role ORDER BY role), '{}')
      FROM jsonb_each(document->'courses') AS required (course, rule), jsonb_array_elements_text(rule->'roles') role
     WHERE NOT EXISTS (
        SELECT FROM authority.completion c
         WHERE c.book_id = book AND c.person_id = person AND c.course = required.course AND c.withdrawn IS NULL
           AND (at AT TIME ZONE 'UTC')::date BETWEEN c.completed_on
               AND (c.completed_on + make_interval(months => (rule->>'months')::integer))::date);
$$;

-- A security administrator or an auditor acts for this function; who it is.
CREATE FUNCTION authority.require_recorder(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    who text := authority.person_of_session(book, require_recorder.token_sha256, at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF NOT authority.roles_of(book, who) && ARRAY['security_admin', 'auditor'] THEN
        PERFORM authority.refuse('person_lacks_the_role');
    END IF;
    RETURN who;
END $$;

CREATE FUNCTION authority.record_completion(book integer, event uuid, token_sha256 bytea, person text, course text,
                                            completed_on date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1036);
    who text   := authority.require_recorder(book, record_completion.token_sha256, now.at);
BEGIN
    IF who = person THEN
        PERFORM authority.refuse('completion_is_recorded_by_another');
    ELSIF NOT EXISTS (SELECT FROM authority.person p WHERE p.book_id = book AND p.person_id = person AND p.active) THEN
        PERFORM authority.refuse('person_must_exist');
    ELSIF NOT EXISTS (SELECT FROM authority.policy p WHERE p.book_id = book
                       AND convert_from(p.document, 'UTF8')::jsonb->'courses' ? record_completion.course) THEN
        PERFORM authority.refuse('course_must_exist', record_completion.course);
    ELSIF record_completion.completed_on > (now.at AT TIME ZONE 'UTC')::date THEN
        PERFORM authority.refuse('completion_is_of_a_day_that_has_come');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', person, 'course', record_completion.course, 'completed_on', record_completion.completed_on, 'by', who));
    INSERT INTO authority.completion (book_id, recorded, person_id, course, completed_on, recorded_by)
    VALUES (book, now.sequence, person, record_completion.course, record_completion.completed_on, who);
END $$;

CREATE FUNCTION authority.withdraw_completion(book integer, event uuid, token_sha256 bytea, recorded bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1037);
    who  text   := authority.require_recorder(book, withdraw_completion.token_sha256, now.at);
    gone record;
BEGIN
    UPDATE authority.completion c SET withdrawn = now.sequence
     WHERE c.book_id = book AND c.recorded = withdraw_completion.recorded AND c.withdrawn IS NULL
    RETURNING c.person_id, c.course INTO gone;
    IF NOT FOUND THEN
        PERFORM authority.refuse('completion_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', gone.person_id, 'course', gone.course, 'completion', withdraw_completion.recorded, 'by', who));
END $$;

GRANT SELECT ON authority.completion
   TO ringfence_core, ringfence_gateway, ringfence_notary, ringfence_reader, ringfence_auditor;
REVOKE ALL ON FUNCTION authority.guard_completion, authority.suspended_roles, authority.require_recorder,
    authority.record_completion, authority.withdraw_completion FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.record_completion, authority.withdraw_completion TO ringfence_core;
