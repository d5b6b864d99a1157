-- name: brake_events
SELECT sequence, code, posted_at, payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code IN (1080, 1081) ORDER BY sequence;

-- name: release_brake
SELECT incident.release_brake(%(book)s, %(event)s, %(proposal)s);

-- name: indicator_levels
SELECT name, level, since, sequence FROM incident.indicator WHERE book_id = %(book)s;

-- name: turn_indicator
SELECT incident.turn_indicator(%(book)s, %(event)s, %(indicator)s, %(was)s, %(level)s);
