-- Signing in.

-- name: begin_sign_in
SELECT salt, memory_kib, passes, lanes, locked_until
  FROM authority.begin_sign_in(%(book)s, %(login)s, %(at)s);

-- name: try_password
SELECT fits, failures, locked_until, has_device
  FROM authority.try_password(%(book)s, %(login)s, %(stretched)s, %(at)s, %(code)s);

-- name: open_session
SELECT authority.open_session(%(book)s, %(event)s, %(login)s, %(stretched)s, %(code)s, %(session)s, %(token_sha256)s);

-- name: touch_session
SELECT session_id, person_id, display_name, roles, opened_at, ends_at, must_change, opened_by
  FROM authority.touch_session(%(book)s, %(token_sha256)s, %(at)s);

-- name: end_own_session
SELECT authority.end_own_session(%(book)s, %(token_sha256)s, %(session)s, %(at)s);

-- name: end_session
SELECT authority.end_session(%(book)s, %(event)s, %(token_sha256)s, %(session)s);

-- name: sessions
SELECT session_id, person_id, opened_by, opened_at, seen_at, ends_at, revoked_at
  FROM authority.session WHERE book_id = %(book)s ORDER BY opened_at DESC, session_id LIMIT %(limit)s;

-- Codes.

-- name: set_code_device
SELECT authority.set_code_device(%(book)s, %(event)s, %(token_sha256)s, %(stretched)s, %(secret)s, %(code)s);

-- Passkeys.

-- name: new_challenge
SELECT authority.new_challenge(%(book)s, %(at)s);

-- name: require_challenge
SELECT authority.require_challenge(%(book)s, %(challenge)s, %(at)s);

-- name: open_session_by_passkey
SELECT authority.open_session_by_passkey(%(book)s, %(event)s, %(credential)s, %(client_data)s, %(authenticator_data)s,
                                         %(signature)s, %(session)s, %(token_sha256)s);

-- name: passkeys
SELECT credential_id, person_id, label, rp_id, public_key, aaguid, proposal_id, enrolled, enrolled_at, approves_from,
       counter, used_at, revoked
  FROM authority.passkey
 WHERE book_id = %(book)s AND (%(person)s::text IS NULL OR person_id = %(person)s) ORDER BY enrolled DESC;

-- name: enrol_passkey
SELECT authority.enrol_passkey(%(book)s, %(event)s, %(proposal)s);

-- name: revoke_passkey
SELECT authority.revoke_passkey(%(book)s, %(event)s, %(token_sha256)s, %(credential)s);

-- Clients.

-- name: client_of
SELECT client_id, scopes FROM authority.client_of(%(book)s, %(token_sha256)s);

-- name: clients
SELECT client_id, scopes, active, added FROM authority.client WHERE book_id = %(book)s ORDER BY client_id;

-- name: add_client
SELECT authority.add_client(%(book)s, %(event)s, %(token_sha256)s, %(client)s, %(client_token_sha256)s, %(scopes)s);

-- name: revoke_client
SELECT authority.revoke_client(%(book)s, %(event)s, %(token_sha256)s, %(client)s);

-- People.

-- name: people
SELECT p.person_id, p.display_name, p.active,
       coalesce(array_agg(r.role ORDER BY r.role) FILTER (WHERE r.role IS NOT NULL), '{}') AS roles, p.added
  FROM authority.person p
  LEFT JOIN authority.person_role r ON r.book_id = p.book_id AND r.person_id = p.person_id AND r.withdrawn IS NULL
 WHERE p.book_id = %(book)s
   AND NOT EXISTS (SELECT FROM authority.customer_login l WHERE l.book_id = p.book_id AND l.person_id = p.person_id)
 GROUP BY p.book_id, p.person_id ORDER BY p.person_id;

-- name: active_person
SELECT p.person_id, p.display_name, p.active,
       ARRAY(SELECT r.role FROM authority.person_role r
              WHERE r.book_id = p.book_id AND r.person_id = p.person_id AND r.withdrawn IS NULL ORDER BY r.role) AS roles,
       p.added
  FROM authority.person p WHERE p.book_id = %(book)s AND p.person_id = %(person)s AND p.active;

-- name: customer_of
SELECT customer_id, bound FROM authority.customer_login WHERE book_id = %(book)s AND person_id = %(person)s;

-- name: logins_of
SELECT l.person_id, p.display_name, p.active, l.bound FROM authority.customer_login l
  JOIN authority.person p USING (book_id, person_id)
 WHERE l.book_id = %(book)s AND l.customer_id = %(customer)s ORDER BY l.bound;

-- name: found_person
SELECT authority.found_person(%(book)s, %(event)s, %(person)s, %(display_name)s, %(roles)s, %(secret)s);

-- name: change_person
SELECT authority.change_person(%(book)s, %(event)s, %(proposal)s);

-- name: deactivate_person
SELECT authority.deactivate_person(%(book)s, %(event)s, %(token_sha256)s, %(person)s);

-- name: change_password
SELECT authority.change_password(%(book)s, %(event)s, %(token_sha256)s, %(stretched)s, %(secret)s);

-- The policy.

-- name: found_policy
SELECT authority.found_policy(%(book)s, %(event)s, %(document)s);

-- name: change_policy
SELECT authority.change_policy(%(book)s, %(event)s, %(proposal)s);

-- name: rule_packs
SELECT version, effective_from, document, sha256, lists, sequence FROM authority.rule_pack
 WHERE book_id = %(book)s ORDER BY version DESC;

-- In force at a time, by what stands before a row of the journal (null: all).
-- name: rule_pack_at
SELECT version, effective_from, document, sha256, lists, sequence FROM authority.rule_pack
 WHERE book_id = %(book)s AND effective_from <= %(at)s AND (%(before)s::bigint IS NULL OR sequence < %(before)s)
 ORDER BY version DESC LIMIT 1;

-- name: found_rule_pack
SELECT authority.found_rule_pack(%(book)s, %(event)s, %(document)s, %(lists)s);

-- name: change_rule_pack
SELECT authority.change_rule_pack(%(book)s, %(event)s, %(proposal)s);

-- name: require_rule_pack
SELECT authority.require_rule_pack(%(book)s, %(event)s);

-- name: policy_at
SELECT version, effective_from, document, sha256, sequence FROM authority.policy
 WHERE book_id = %(book)s AND effective_from <= %(at)s ORDER BY version DESC LIMIT 1;

-- name: policies
SELECT version, effective_from, document, sha256, sequence FROM authority.policy
 WHERE book_id = %(book)s ORDER BY version DESC;

-- name: policy_version
SELECT version, effective_from, document, sha256, sequence FROM authority.policy
 WHERE book_id = %(book)s AND version = %(version)s;

-- Proposals.

-- name: make_proposal
SELECT authority.make_proposal(%(book)s, %(event)s, %(proposal)s, %(payload)s, %(token_sha256)s);

-- name: require_nobody
SELECT authority.require_nobody(%(book)s, %(event)s, %(order_id)s, %(act)s, %(currency)s, %(amount)s,
                                %(maker)s);

-- name: score_of
SELECT authority.score_of(%(book)s, %(order_id)s);

-- name: objection
SELECT authority.objection(%(book)s, %(token_sha256)s, %(proposal)s, %(payload_sha256)s, %(decision)s, %(at)s);

-- name: decide
SELECT authority.decide(%(book)s, %(event)s, %(token_sha256)s, %(proposal)s, %(payload_sha256)s, %(decision)s,
                        %(reason)s, %(credential)s, %(client_data)s, %(authenticator_data)s, %(signature)s);

-- name: carry_out
SELECT authority.carry_out(%(book)s, %(event)s, %(number)s, %(proposal)s, %(act)s);

-- name: carry_out_standing
SELECT authority.carry_out_standing(%(book)s, %(standing)s, %(proposal)s);

-- name: carry_out_correction
SELECT authority.carry_out_correction(%(book)s, %(correction)s, %(proposal)s);

-- name: proposal
SELECT proposal_id, act, order_id, payload, payload_sha256, maker, people, roles, signed, policy_version, made_at, expires_at,
       made, state, carried_out
  FROM authority.proposal WHERE book_id = %(book)s AND proposal_id = %(proposal)s;

-- name: proposals_of_order
SELECT proposal_id, act, order_id, payload, payload_sha256, maker, people, roles, signed, policy_version, made_at, expires_at,
       made, state, carried_out
  FROM authority.proposal WHERE book_id = %(book)s AND order_id = %(order_id)s ORDER BY made;

-- name: proposals_in_state
SELECT proposal_id, act, order_id, payload, payload_sha256, maker, people, roles, signed, policy_version, made_at, expires_at,
       made, state, carried_out
  FROM authority.proposal
 WHERE book_id = %(book)s AND state = %(state)s AND (%(act)s::text IS NULL OR act = %(act)s) AND expires_at > %(at)s
 ORDER BY made;

-- name: latest_proposals
SELECT proposal_id, act, order_id, payload, payload_sha256, maker, people, roles, signed, policy_version, made_at, expires_at,
       made, state, carried_out
  FROM authority.proposal WHERE book_id = %(book)s ORDER BY made DESC LIMIT %(limit)s;

-- name: approvals
SELECT proposal_id, person_id, payload_sha256, decided, reason, at, sequence, credential_id, client_data,
       authenticator_data, signature
  FROM authority.approval WHERE book_id = %(book)s AND proposal_id = ANY(%(proposals)s) ORDER BY sequence;

-- What the journal says about a proposal and the people who decided on it.

-- name: events_at
SELECT sequence, id, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND sequence = ANY(%(sequences)s) AND kind = 16 ORDER BY sequence;

-- name: person_events
SELECT sequence, id, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = 1030 AND sequence <= %(last)s
   AND convert_from(payload, 'UTF8')::jsonb->>'person' = ANY(%(persons)s) ORDER BY sequence;

-- Keys, and how long each has to wait: as the policy of its proposal says, but not at all if the staff enrolled it before
-- any row moved or held money.
-- name: keys_enrolled
SELECT k.credential_id, k.person_id, k.rp_id, k.public_key, k.enrolled, k.approves_from, k.revoked,
       CASE WHEN p.maker NOT LIKE 'customer:%%'
                 AND coalesce((SELECT j.sequence FROM ledger.journal j
                                WHERE j.book_id = k.book_id AND j.kind BETWEEN 1 AND 6
                                ORDER BY j.sequence LIMIT 1) > k.enrolled, true) THEN 0
            ELSE coalesce((convert_from(q.document, 'UTF8')::jsonb #>> '{passkeys,wait_hours}')::integer, 24) END
  FROM authority.passkey k
  JOIN authority.proposal p ON p.book_id = k.book_id AND p.proposal_id = k.proposal_id
  JOIN authority.policy q ON q.book_id = p.book_id AND q.version = p.policy_version
 WHERE k.book_id = %(book)s AND k.credential_id = ANY(%(credentials)s) ORDER BY k.enrolled;

-- name: money_moved
SELECT true FROM ledger.journal j WHERE j.book_id = %(book)s AND j.kind BETWEEN 1 AND 6 ORDER BY j.sequence LIMIT 1;

-- name: key_events
SELECT sequence, id, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code IN (1032, 1033) AND sequence <= %(last)s
   AND convert_from(payload, 'UTF8')::jsonb->>'credential' = ANY(%(credential_names)s) ORDER BY sequence;

-- name: roles_held
SELECT person_id, role, granted, withdrawn FROM authority.person_role
 WHERE book_id = %(book)s AND person_id = ANY(%(persons)s) ORDER BY granted, role;

-- What stands over a book, as its journal says it.

-- name: standing_rows
SELECT sequence, kind, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = %(kind)s AND kind BETWEEN 9 AND 13 AND sequence < %(before)s ORDER BY sequence;

-- name: last_turns
SELECT j.sequence, j.posted_at, j.payload FROM unnest(%(monitors)s::text[]) AS named (monitor)
 CROSS JOIN LATERAL ledger.last_turn(%(book)s, named.monitor) j WHERE j.sequence IS NOT NULL;

-- name: latest_turns
SELECT sequence, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 13 AND sequence < %(before)s ORDER BY sequence DESC LIMIT %(limit)s;

-- name: kind_of_id
SELECT kind FROM ledger.journal WHERE book_id = %(book)s AND id = %(id)s;

-- name: account_facts
SELECT account, name, currency, side, minimum, maximum, owner, pool, opened, closed FROM ledger.account
 WHERE book_id = %(book)s AND account = %(account)s;

-- name: opened_accounts
SELECT DISTINCT pool, currency, side, split_part(owner, ':', 1) AS owner_class FROM ledger.account
 WHERE book_id = %(book)s;

-- name: row_payload
SELECT kind, payload FROM ledger.journal WHERE book_id = %(book)s AND sequence = %(sequence)s;
