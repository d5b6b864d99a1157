-- Completions of courses.

-- name: completions
SELECT person_id, course, completed_on, recorded_by, recorded, withdrawn FROM authority.completion
 WHERE book_id = %(book)s AND (%(persons)s::text[] IS NULL OR person_id = ANY(%(persons)s)) ORDER BY recorded;

-- name: record_completion
SELECT authority.record_completion(%(book)s, %(event)s, %(token_sha256)s, %(person)s, %(course)s, %(completed_on)s);

-- name: withdraw_completion
SELECT authority.withdraw_completion(%(book)s, %(event)s, %(token_sha256)s, %(recorded)s);

-- name: course_events
SELECT sequence, id, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code IN (1036, 1037) AND sequence <= %(last)s
   AND convert_from(payload, 'UTF8')::jsonb->>'person' = ANY(%(persons)s) ORDER BY sequence;
