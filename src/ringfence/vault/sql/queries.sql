-- name: active_wrapping_key
SELECT wrapping_id, provider, algorithm FROM vault.wrapping_key WHERE book_id = %(book)s AND state = 'active';

-- name: add_wrapping_key
SELECT vault.add_wrapping_key(%(book)s, %(wrapping)s, %(provider)s, %(algorithm)s, %(rotation)s, %(at)s);

-- name: active_field_key
SELECT k.key_id, k.owner, k.algorithm, k.wrapping_id, k.wrapped, w.provider, w.algorithm AS wrap
  FROM vault.field_key k JOIN vault.wrapping_key w ON w.book_id = k.book_id AND w.wrapping_id = k.wrapping_id
 WHERE k.book_id = %(book)s AND k.owner = %(owner)s AND k.state = 'active';

-- name: active_field_keys
SELECT k.key_id, k.owner, k.algorithm, k.wrapping_id, k.wrapped, w.provider, w.algorithm AS wrap
  FROM vault.field_key k JOIN vault.wrapping_key w ON w.book_id = k.book_id AND w.wrapping_id = k.wrapping_id
 WHERE k.book_id = %(book)s AND k.owner = ANY(%(owners)s) AND k.state = 'active';

-- name: add_field_key
SELECT vault.add_field_key(%(book)s, %(owner)s, %(key)s, %(algorithm)s, %(wrapping)s, %(wrapped)s, %(at)s);

-- name: keep
SELECT vault.keep(%(book)s, %(place)s, %(row)s, %(key)s, %(sealed)s, %(masked)s, %(indexed)s, %(single)s);

-- name: field
SELECT f.row_key, f.sealed, k.key_id, k.owner, k.algorithm, k.wrapping_id, k.wrapped, k.state, w.provider,
       w.algorithm AS wrap
  FROM vault.field f JOIN vault.field_key k ON k.book_id = f.book_id AND k.key_id = f.key_id
  JOIN vault.wrapping_key w ON w.book_id = k.book_id AND w.wrapping_id = k.wrapping_id
 WHERE f.book_id = %(book)s AND f.place = %(place)s AND f.row_key = ANY(%(rows)s);

-- name: payment
SELECT row_key, sealed, key_id, owner, algorithm, wrapping_id, wrapped, state, provider, wrap FROM vault.payment
 WHERE book_id = %(book)s AND place = %(place)s AND row_key = ANY(%(rows)s);

-- name: masks
SELECT place, row_key, masked FROM vault.field
 WHERE book_id = %(book)s AND place = ANY(%(places)s) AND row_key = ANY(%(rows)s);

-- name: rows_with_value
SELECT row_key FROM vault.field WHERE book_id = %(book)s AND place = %(place)s AND indexed = %(indexed)s
 ORDER BY row_key LIMIT %(limit)s;

-- name: index_of
SELECT indexed FROM vault.field WHERE book_id = %(book)s AND place = %(place)s AND row_key = %(row)s;

-- name: begin_rotation
SELECT vault.begin_rotation(%(book)s, %(rotation)s, %(keys)s, %(at)s);

-- name: field_keys_to_replace
SELECT key_id, owner FROM vault.field_key
 WHERE book_id = %(book)s AND state = 'active' AND rotation_id IS DISTINCT FROM %(rotation)s
 ORDER BY key_id LIMIT %(limit)s;

-- name: replace_field_key
SELECT vault.replace_field_key(%(book)s, %(was)s, %(key)s, %(algorithm)s, %(wrapping)s, %(wrapped)s, %(rotation)s,
                               %(at)s);

-- name: fields_to_reseal
SELECT f.place, f.row_key, f.sealed, k.key_id, k.owner, k.algorithm, k.wrapping_id, k.wrapped, k.state, w.provider,
       w.algorithm AS wrap
  FROM vault.field_key k JOIN vault.wrapping_key w ON w.book_id = k.book_id AND w.wrapping_id = k.wrapping_id
  JOIN vault.field f ON f.book_id = k.book_id AND f.key_id = k.key_id
 WHERE k.book_id = %(book)s AND k.state = 'leaving' ORDER BY k.key_id, f.place, f.row_key LIMIT %(limit)s;

-- name: reseal
SELECT vault.reseal(%(book)s, %(place)s, %(row)s, %(was)s, %(key)s, %(sealed)s);

-- name: field_keys_to_rewrap
SELECT k.key_id, k.owner, k.algorithm, k.wrapping_id, k.wrapped, w.provider, w.algorithm AS wrap
  FROM vault.wrapping_key w JOIN vault.field_key k ON k.book_id = w.book_id AND k.wrapping_id = w.wrapping_id
 WHERE w.book_id = %(book)s AND w.state = 'leaving' AND k.wrapped IS NOT NULL ORDER BY k.key_id LIMIT %(limit)s;

-- name: rewrap
SELECT vault.rewrap(%(book)s, %(key)s, %(was)s, %(wrapping)s, %(wrapped)s);

-- name: retire_field_keys
SELECT vault.retire_field_keys(%(book)s, %(left_before)s, %(at)s, %(most)s);

-- name: retire_wrapping_keys
SELECT vault.retire_wrapping_keys(%(book)s, %(left_before)s, %(at)s);

-- name: leaving
SELECT (SELECT count(*) FROM vault.field_key WHERE book_id = %(book)s AND state = 'leaving'),
       (SELECT count(*) FROM vault.wrapping_key WHERE book_id = %(book)s AND state = 'leaving');

-- name: end_rotation
SELECT vault.end_rotation(%(book)s, %(event)s, %(rotation)s);

-- What is kept under which keys: a line for each wrapping key and state of field keys.
-- name: census
SELECT w.wrapping_id, w.provider, w.algorithm AS wrap, w.state AS wrapping_state, k.algorithm, k.state,
       count(DISTINCT k.key_id) AS keys, count(f.row_key) AS fields
  FROM vault.wrapping_key w
  LEFT JOIN vault.field_key k ON k.book_id = w.book_id AND k.wrapping_id = w.wrapping_id
  LEFT JOIN vault.field f ON f.book_id = k.book_id AND f.key_id = k.key_id
 WHERE w.book_id = %(book)s
 GROUP BY w.wrapping_id, w.provider, w.algorithm, w.state, w.made_at, k.algorithm, k.state
 ORDER BY w.made_at, w.wrapping_id, k.algorithm, k.state;

-- name: open_rotations
SELECT rotation_id, keys, began_at FROM vault.rotation WHERE book_id = %(book)s AND ended_at IS NULL ORDER BY keys;

-- name: reveal_to
SELECT vault.reveal_to(%(book)s, %(event)s, %(token_sha256)s, %(place)s, %(row)s, %(reason)s, %(note)s);

-- name: reveals
SELECT sequence, person_id, place, row_key, reason, note, at FROM vault.reveal
 WHERE book_id = %(book)s ORDER BY sequence DESC LIMIT %(limit)s;

-- name: erase
SELECT vault.erase(%(book)s, %(event)s, %(proposal)s);

-- name: erasure
SELECT sequence, at FROM vault.erasure WHERE book_id = %(book)s AND owner = %(owner)s;
