-- What the package asks the database.

-- name: propose
SELECT escrow.propose(%(book)s, %(event)s, %(token_sha256)s, %(document)s, %(reference)s);

-- name: agree
SELECT escrow.agree(%(book)s, %(event)s, %(agreement)s, %(proposal)s);

-- name: call_off
SELECT escrow.call_off(%(book)s, %(event)s, %(agreement)s);

-- name: say
SELECT escrow.say(%(book)s, %(event)s, %(number)s, %(token_sha256)s, %(agreement)s, %(reason)s, %(document)s, %(credential)s,
                  %(client_data)s, %(authenticator_data)s, %(signature)s);

-- name: end_tranche
SELECT escrow.end_tranche(%(book)s, %(event)s, %(number)s, %(agreement)s, %(tranche)s, %(seen)s, %(since)s, %(until)s,
                          %(proposal)s);

-- name: looked
SELECT escrow.looked(%(book)s, %(agreement)s, %(seen)s, coalesce(%(again)s::timestamptz, 'infinity'));

-- name: agreement
SELECT agreement_id, document, encode(sha256, 'hex') AS sha256, payer, currency, amount, reference, maker, state, because,
       proposed, agreed, last_fact, expires_at, proposed_at, moved_at
  FROM escrow.agreement WHERE book_id = %(book)s AND agreement_id = %(agreement)s;

-- name: agreements
SELECT agreement_id, document, encode(sha256, 'hex') AS sha256, payer, currency, amount, reference, maker, state, because,
       proposed, agreed, last_fact, expires_at, proposed_at, moved_at
  FROM escrow.agreement
 WHERE book_id = %(book)s AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (%(customer)s::text IS NULL OR payer = %(customer)s OR EXISTS (
           SELECT FROM escrow.holding h WHERE h.book_id = agreement.book_id AND h.agreement_id = agreement.agreement_id
              AND h.customer_id = %(customer)s))
   AND (proposed_at, agreement_id) < (%(before_at)s, %(before_id)s)
 ORDER BY proposed_at DESC, agreement_id DESC LIMIT %(limit)s;

-- Agreements in which a customer has a word, the latest first.
-- name: agreements_of_party
SELECT agreement_id, document, encode(sha256, 'hex') AS sha256, payer, currency, amount, reference, maker, state, because,
       proposed, agreed, last_fact, expires_at, proposed_at, moved_at
  FROM escrow.agreement a
 WHERE a.book_id = %(book)s AND EXISTS (
           SELECT FROM jsonb_each_text(convert_from(a.document, 'UTF8')::jsonb->'parties') p WHERE p.value = %(party)s)
 ORDER BY proposed_at DESC, agreement_id DESC LIMIT %(limit)s;

-- name: tranches
SELECT agreement_id, name, amount, state, paid, ended FROM escrow.tranche
 WHERE book_id = %(book)s AND agreement_id = ANY(%(agreements)s) ORDER BY agreement_id, place;

-- name: to_look_at
SELECT agreement_id, state FROM escrow.agreement
 WHERE book_id = %(book)s AND look_at <= %(at)s AND state IN ('awaiting_approval', 'in_force')
 ORDER BY look_at LIMIT %(limit)s;

-- name: facts
SELECT sequence, code, party, said_by, milestone, claim, tranche, payees_get, reason FROM escrow.fact
 WHERE book_id = %(book)s AND agreement_id = %(agreement)s ORDER BY sequence;

-- name: counted
SELECT state, count(*) AS agreements, sum(amount)::bigint AS amount, currency FROM escrow.agreement
 WHERE book_id = %(book)s GROUP BY state, currency ORDER BY state, currency;

-- name: waiting
SELECT count(*) FROM escrow.agreement WHERE book_id = %(book)s AND state = 'awaiting_approval';

-- name: holdings_of
SELECT hold, agreement_id, tranche, customer_id, amount, order_id FROM escrow.holding
 WHERE book_id = %(book)s AND hold = ANY(%(holds)s);

-- name: fact_at
SELECT agreement_id, code, party, said_by, milestone, claim, tranche, payees_get FROM escrow.fact
 WHERE book_id = %(book)s AND sequence = %(sequence)s;

-- Of posts that are taken back those that released money of an agreement.
-- name: released_by
SELECT j.id, h.agreement_id FROM ledger.journal j
  JOIN escrow.holding h ON h.book_id = j.book_id AND h.hold = j.refers_to
 WHERE j.book_id = %(book)s AND j.id = ANY(%(posts)s) AND j.kind = 3;
