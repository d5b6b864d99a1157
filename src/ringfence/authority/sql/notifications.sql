-- What people are told about their means to sign in.

-- name: came_from
SELECT authority.came_from(%(book)s, %(token_sha256)s, %(place_sha256)s, %(at)s);

-- name: notifications_of
SELECT number, what, happened_at, sequence, read_at, sent_at
  FROM authority.notifications_of(%(book)s, %(token_sha256)s, %(at)s, %(latest)s);

-- name: read_notifications
SELECT authority.read_notifications(%(book)s, %(token_sha256)s, %(up_to)s, %(at)s);

-- name: unsent_notifications
SELECT number, person_id, what, happened_at, sequence
  FROM authority.unsent_notifications(%(book)s, %(persons)s, %(at)s, %(latest)s);

-- name: notification_was_sent
SELECT authority.notification_was_sent(%(book)s, %(number)s, %(at)s);
