-- authority, changes: changing people, policy, passkeys and clients.

-- The first people of a book, all in one append; afterwards `change_person` is the only way to more.
CREATE FUNCTION authority.found_person(book integer, event uuid, person text, called text, roles text[], secret jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
BEGIN
    IF EXISTS (SELECT FROM authority.person p JOIN ledger.head b USING (book_id)
                WHERE p.book_id = book AND p.added < b.append_from) THEN
        PERFORM authority.refuse('book_has_its_people_already');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'founded', 'roles', to_jsonb(roles)));
    INSERT INTO authority.decoy (book_id, secret)
    VALUES (book, sha256(convert_to(gen_random_uuid()::text || gen_random_uuid()::text, 'UTF8'))) ON CONFLICT DO NOTHING;
    INSERT INTO authority.person (book_id, person_id, display_name, active, added)
    VALUES (book, person, called, true, now.sequence);
    PERFORM authority.put_roles(book, person, roles, now.sequence);
    PERFORM authority.put_password(book, person, secret);
END $$;

CREATE FUNCTION authority.put_policy(book integer, next integer, from_time timestamptz, text bytea,
                                     event uuid)
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1023);
BEGIN
    IF next <> 1 + (SELECT coalesce(max(p.version), 0) FROM authority.policy p WHERE p.book_id = book)
       OR from_time IS NULL OR from_time < now.at THEN
        PERFORM authority.refuse('policy_version_must_be_next');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('version', next, 'sha256', encode(sha256(text), 'hex'),
                                                            'asked_by', authority.asked_by(text),
                                                            'document', convert_from(text, 'UTF8')));
    INSERT INTO authority.policy (book_id, version, effective_from, document, sha256, sequence)
    VALUES (book, next, from_time, text, sha256(text), now.sequence);
END $$;

-- The first policy of a book needs nobody; it is in force at once.
CREATE FUNCTION authority.found_policy(book integer, event uuid, document bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1023);
BEGIN
    PERFORM authority.put_policy(book, 1, now.at, document, event);
END $$;

-- A further policy is what a complete proposal says.
CREATE FUNCTION authority.change_policy(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1023);
    facts jsonb  := authority.carry_out(book, event, 1023, proposal, 'policy_change')->'facts';
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('effective_from', facts->'effective_from'));
    PERFORM authority.put_policy(book, (facts->>'version')::integer,
                                 greatest((facts->>'effective_from')::timestamptz, now.at),
                                 convert_to(facts->>'document', 'UTF8'), event);
END $$;

-- A person is added, gets other roles or a new password, as a complete proposal says: roles separated by spaces. With a
-- new password a device for codes is forgotten: that is how somebody who has lost it comes back, by two other people.
CREATE FUNCTION authority.change_person(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now    record := authority.said_now(book, event, 1030);
    facts  jsonb  := authority.carry_out(book, event, 1030, proposal, 'person_change')->'facts';
    roles  text[] := string_to_array(facts->>'roles', ' ');
    person text   := facts->>'person';
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'changed', 'roles', to_jsonb(roles),
                                                            'proposal', proposal)
                                         || CASE WHEN facts ? 'customer' THEN jsonb_build_object('customer', facts->'customer')
                                                 ELSE '{}' END);
    PERFORM authority.require_customer(book, person, roles, facts->>'customer');
    INSERT INTO authority.person (book_id, person_id, display_name, active, added)
    VALUES (book, person, facts->>'display_name', true, now.sequence)
    ON CONFLICT ON CONSTRAINT person_is_a_person_already DO UPDATE SET display_name = excluded.display_name, active = true;
    IF facts ? 'customer' THEN
        INSERT INTO authority.customer_login (book_id, person_id, customer_id, bound)
        VALUES (book, person, facts->>'customer', now.sequence) ON CONFLICT DO NOTHING;
    END IF;
    PERFORM authority.put_roles(book, person, roles, now.sequence);
    IF facts ? 'verifier' THEN
        PERFORM authority.put_password(book, person, facts || '{"must_change": true}');
        DELETE FROM authority.code_device d WHERE d.book_id = book AND d.person_id = person;
        UPDATE authority.session s SET revoked_at = now.at
         WHERE s.book_id = book AND s.person_id = person AND s.revoked_at IS NULL;
        PERFORM authority.tell(book, person, 'password_reset', now.sequence, now.at);
    END IF;
END $$;

-- A security administrator ends somebody's roles, sessions and passkeys at once, alone.
CREATE FUNCTION authority.deactivate_person(book integer, event uuid, token_sha256 bytea, person text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, deactivate_person.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', person, 'change', 'deactivated', 'roles', '[]'::jsonb,
                                                            'by', who));
    UPDATE authority.person p SET active = false WHERE p.book_id = book AND p.person_id = person AND p.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('person_must_exist');
    END IF;
    PERFORM authority.put_roles(book, person, '{}', now.sequence);
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.person_id = person AND s.revoked_at IS NULL;
    UPDATE authority.passkey k SET revoked = now.sequence
     WHERE k.book_id = book AND k.person_id = person AND k.revoked IS NULL;
    UPDATE authority.identity i SET released = now.sequence
     WHERE i.book_id = book AND i.person_id = person AND i.released IS NULL;
END $$;

CREATE FUNCTION authority.require_administrator(book integer, token_sha256 bytea, at timestamptz) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog AS $$
DECLARE
    who text := authority.person_of_session(book, require_administrator.token_sha256, at);
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF 'security_admin' <> ALL (authority.roles_of(book, who)) THEN
        PERFORM authority.refuse('person_lacks_the_role');
    END IF;
    RETURN who;
END $$;

CREATE FUNCTION authority.end_session(book integer, event uuid, token_sha256 bytea, session uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1030);
    who   text   := authority.require_administrator(book, end_session.token_sha256, now.at);
    whose text;
BEGIN
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.session_id = session AND s.revoked_at IS NULL RETURNING s.person_id INTO whose;
    IF NOT FOUND THEN
        PERFORM authority.refuse('session_must_exist');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', whose, 'change', 'session ended', 'by', who,
                                                            'session', session));
END $$;

-- A person changes the password and with it ends every other session.
CREATE FUNCTION authority.change_password(book integer, event uuid, token_sha256 bytea, stretched bytea, secret jsonb)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.person_of_session(book, change_password.token_sha256, now.at);
BEGIN
    IF who IS NULL OR NOT authority.password_fits(book, who, stretched) THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', who, 'change', 'password'));
    PERFORM authority.put_password(book, who, secret || '{"must_change": false}');
    UPDATE authority.session s SET revoked_at = now.at
     WHERE s.book_id = book AND s.person_id = who AND s.token_sha256 <> change_password.token_sha256
       AND s.revoked_at IS NULL;
    PERFORM authority.tell(book, who, 'password_changed', now.sequence, now.at);
END $$;

-- Whether any row before this one moves or holds money (kinds 1 to 6). By the sequence, whatever the planner believes: a
-- book that has money had it early.
CREATE FUNCTION authority.money_moved_before(book integer, place bigint) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog SET enable_seqscan = off AS $$
    SELECT coalesce((SELECT j.sequence FROM ledger.journal j
                      WHERE j.book_id = book AND j.kind BETWEEN 1 AND 6 ORDER BY j.sequence LIMIT 1) < place, false);
$$;

-- A key is enrolled as a complete proposal says, for the person who made it; the policy of the proposal says for how long
-- it waits before it approves anything. One of the staff that is enrolled before any money has moved does not wait (the
-- founding of the book). Keys are P-256 in the one form that CTAP2 has for them.
CREATE FUNCTION authority.enrol_passkey(book integer, event uuid, proposal uuid) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now     record := authority.said_now(book, event, 1032);
    facts   jsonb  := authority.carry_out(book, event, 1032, proposal, 'key_enrolment')->'facts';
    public  bytea  := decode(facts->>'public_key', 'hex');
    maker   text;
    hours   integer;
BEGIN
    SELECT p.maker, coalesce((convert_from(q.document, 'UTF8')::jsonb #>> '{passkeys,wait_hours}')::integer, 24)
      INTO maker, hours
      FROM authority.proposal p JOIN authority.policy q ON q.book_id = p.book_id AND q.version = p.policy_version
     WHERE p.book_id = book AND p.proposal_id = proposal;
    IF maker NOT LIKE 'customer:%' AND NOT authority.money_moved_before(book, now.sequence) THEN
        hours := 0;
    END IF;
    maker := regexp_replace(maker, '^customer:', '');
    IF maker IS DISTINCT FROM facts->>'person' THEN
        PERFORM authority.refuse('passkey_is_of_its_maker');
    ELSIF length(public) IS DISTINCT FROM 77 OR substr(public, 1, 10) <> '\xa5010203262001215820'
          OR substr(public, 43, 3) <> '\x225820' THEN
        PERFORM authority.refuse('passkey_must_be_es256');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object(
        'person', maker, 'credential', facts->'credential', 'public_key', facts->'public_key', 'rp_id', facts->'rp_id',
        'wait_hours', hours, 'proposal', proposal));
    INSERT INTO authority.passkey (book_id, credential_id, person_id, label, rp_id, public_key, aaguid, client_data,
                                   attestation_object, proposal_id, enrolled, enrolled_at, approves_from, counter)
    VALUES (book, decode(facts->>'credential', 'hex'), maker, facts->>'label', facts->>'rp_id', public,
            (facts->>'aaguid')::uuid, decode(facts->>'client_data', 'hex'), decode(facts->>'attestation_object', 'hex'),
            proposal, now.sequence, now.at, now.at + interval '1 hour' * hours, (facts->>'counter')::bigint);
    PERFORM authority.tell(book, maker, 'passkey_enrolled', now.sequence, now.at);
END $$;

-- A person gives up an own key, or a security administrator takes anybody's, alone and at once.
CREATE FUNCTION authority.revoke_passkey(book integer, event uuid, token_sha256 bytea, credential bytea) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now   record := authority.said_now(book, event, 1033);
    who   text   := authority.person_of_session(book, revoke_passkey.token_sha256, now.at);
    whose text;
BEGIN
    IF who IS NULL THEN
        PERFORM authority.refuse('session_is_not_valid');
    END IF;
    SELECT k.person_id INTO whose FROM authority.passkey k
     WHERE k.book_id = book AND k.credential_id = credential AND k.revoked IS NULL FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM authority.refuse('passkey_must_exist');
    ELSIF whose <> who THEN
        PERFORM authority.require_administrator(book, revoke_passkey.token_sha256, now.at);
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', whose, 'credential', encode(credential, 'hex'), 'by', who));
    UPDATE authority.passkey k SET revoked = now.sequence WHERE k.book_id = book AND k.credential_id = credential;
    PERFORM authority.tell(book, whose, 'passkey_revoked', now.sequence, now.at);
END $$;

-- A person sets up a device for codes: with the password and a code of the new secret, and where there was a device in a
-- session that was opened by its code or by a passkey.
CREATE FUNCTION authority.set_code_device(book integer, event uuid, token_sha256 bytea, stretched bytea, secret bytea,
                                          code text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now  record := authority.said_now(book, event, 1030);
    who  text   := authority.person_of_session(book, set_code_device.token_sha256, now.at);
    step bigint := authority.fitting_step(set_code_device.secret, 0, code, now.at);
BEGIN
    IF who IS NULL OR NOT authority.password_fits(book, who, stretched) THEN
        PERFORM authority.refuse('session_is_not_valid');
    ELSIF EXISTS (SELECT FROM authority.code_device d WHERE d.book_id = book AND d.person_id = who)
          AND EXISTS (SELECT FROM authority.session s WHERE s.book_id = book AND s.opened_by IN ('password', 'provider')
                         AND s.token_sha256 = set_code_device.token_sha256) THEN
        PERFORM authority.refuse('code_is_needed_first');
    ELSIF step IS NULL THEN
        PERFORM authority.refuse('code_does_not_fit');
    END IF;
    PERFORM authority.must_say(now.said, jsonb_build_object('person', who, 'change', 'code device'));
    INSERT INTO authority.code_device (book_id, person_id, secret, last_step)
    VALUES (book, who, set_code_device.secret, step)
    ON CONFLICT ON CONSTRAINT code_device_is_one_a_person DO UPDATE
       SET secret = excluded.secret, last_step = excluded.last_step;
    PERFORM authority.tell(book, who, 'code_device_set', now.sequence, now.at);
END $$;

-- A client of the platform may make orders within its scopes, but approves nothing, so one administrator is enough.
CREATE FUNCTION authority.add_client(book integer, event uuid, token_sha256 bytea, client text, client_token_sha256 bytea,
                                     scopes text[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, add_client.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', 'client:' || client, 'change', 'client added',
                                                            'scopes', to_jsonb(scopes), 'by', who));
    IF EXISTS (SELECT FROM authority.client c WHERE c.book_id = book AND c.client_id = client) THEN
        PERFORM authority.refuse('person_is_a_person_already');
    END IF;
    INSERT INTO authority.client (book_id, client_id, token_sha256, scopes, active, added)
    VALUES (book, client, client_token_sha256, add_client.scopes, true, now.sequence);
END $$;

CREATE FUNCTION authority.revoke_client(book integer, event uuid, token_sha256 bytea, client text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    now record := authority.said_now(book, event, 1030);
    who text   := authority.require_administrator(book, revoke_client.token_sha256, now.at);
BEGIN
    PERFORM authority.must_say(now.said, jsonb_build_object('person', 'client:' || client, 'change', 'client revoked',
                                                            'by', who));
    UPDATE authority.client c SET active = false WHERE c.book_id = book AND c.client_id = client AND c.active;
    IF NOT FOUND THEN
        PERFORM authority.refuse('client_is_not_known');
    END IF;
END $$;

-- Who may what: nobody writes a table.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA authority FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authority.found_person, authority.found_policy, authority.change_policy,
    authority.change_person, authority.deactivate_person, authority.end_session, authority.change_password,
    authority.enrol_passkey, authority.revoke_passkey, authority.set_code_device, authority.add_client,
    authority.revoke_client
   TO ringfence_core;
