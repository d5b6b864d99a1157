-- The door: its limits, who knocks, and who is inside.

-- name: door_limits
SELECT idle_seconds, session_seconds, signature_seconds FROM authority.door_limits(%(book)s);

-- name: set_door_limits
SELECT authority.set_door_limits(%(book)s, %(event)s, %(token_sha256)s, %(idle_seconds)s, %(session_seconds)s,
                                 %(signature_seconds)s);

-- name: knock_at
SELECT authority.knock_at(%(book)s, %(address_sha256)s, %(at)s);

-- name: let_in_from
SELECT authority.let_in_from(%(book)s, %(address_sha256)s);

-- name: open_sessions
-- Those that are open at a time, of one person or of everybody, the latest first.
SELECT s.session_id, s.person_id, s.opened_by, s.opened_at, s.seen_at,
       least(s.ends_at, s.opened_at + interval '1 second' * l.session_seconds) AS ends_at, s.revoked_at
  FROM authority.session s JOIN authority.person p USING (book_id, person_id), authority.door_limits(%(book)s) l
 WHERE s.book_id = %(book)s AND (%(person)s::text IS NULL OR s.person_id = %(person)s) AND s.revoked_at IS NULL
   AND p.active AND %(at)s < least(s.ends_at, s.opened_at + interval '1 second' * l.session_seconds)
   AND %(at)s < s.seen_at + interval '1 second' * l.idle_seconds
 ORDER BY s.opened_at DESC, s.session_id LIMIT %(limit)s;
