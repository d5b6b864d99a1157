-- name: open_file
SELECT diligence.open_file(%(book)s, %(event)s, %(customer)s, %(name)s, %(identity_index)s);

-- name: take_document
SELECT diligence.take_document(%(book)s, %(event)s, %(customer)s, %(party)s, %(kind)s, %(country)s, %(expires)s,
                               %(sha256)s, %(taken_by)s);

-- name: name_owner
SELECT diligence.name_owner(%(book)s, %(event)s, %(customer)s, %(party)s, %(name)s);

-- name: withdraw_owner
SELECT diligence.withdraw_owner(%(book)s, %(event)s, %(customer)s, %(party)s);

-- name: take_answer
SELECT diligence.take_answer(%(book)s, %(event)s, %(customer)s, %(party)s, %(ask_after)s);

-- name: take_screening
SELECT diligence.take_screening(%(book)s, %(event)s, %(customer)s);

-- name: decide_match
SELECT diligence.decide_match(%(book)s, %(event)s, %(customer)s, %(party)s, %(token_sha256)s);

-- name: ask_tier
SELECT diligence.ask_tier(%(book)s, %(event)s, %(customer)s);

-- name: verify
SELECT diligence.verify(%(book)s, %(event)s, %(customer)s, %(proposal)s);

-- name: restrict
SELECT diligence.restrict(%(book)s, %(event)s, %(customer)s);

-- name: close_file
SELECT diligence.close_file(%(book)s, %(event)s, %(customer)s);

-- name: require_standing
SELECT diligence.require_standing(%(book)s, %(customer)s, %(deed)s);

-- name: shut_so_far
SELECT s.times FROM diligence.shut s WHERE s.book_id = %(book)s;

-- name: file
SELECT customer_id, role, nature, name, state, step, asks, risk_class, tier, limits, verified_step, verified_at,
       review_due, lapses_on, restriction, direction, opened_at, moved_at
  FROM diligence.file WHERE book_id = %(book)s AND customer_id = %(customer)s;

-- name: files
SELECT customer_id, role, nature, name, state, step, asks, risk_class, tier, limits, verified_step, verified_at,
       review_due, lapses_on, restriction, direction, opened_at, moved_at
  FROM diligence.file
 WHERE book_id = %(book)s AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (%(due_by)s::date IS NULL OR state = 'verified' AND lapses_on <= %(due_by)s) AND customer_id > %(after)s
 ORDER BY customer_id LIMIT %(limit)s;

-- name: counted
SELECT state, count(*) AS files FROM diligence.file WHERE book_id = %(book)s GROUP BY state;

-- name: due
SELECT count(*) FROM diligence.file WHERE book_id = %(book)s AND state = 'verified' AND lapses_on <= %(due_by)s;

-- name: parties
SELECT party, name, nature, parent, share_bp, control, answer, attempts, ask_after, screening,
       matches, lists, named
  FROM diligence.party WHERE book_id = %(book)s AND customer_id = %(customer)s AND withdrawn IS NULL ORDER BY named, party;

-- name: documents
SELECT step, party, kind, country, expires, sha256, taken_by, taken_at
  FROM diligence.document WHERE book_id = %(book)s AND customer_id = %(customer)s ORDER BY step;

-- Files on which the core can go on by itself (`diligence.is_in_hand`), those first that wait longest.
-- name: to_advance
SELECT f.customer_id FROM diligence.file f
 WHERE f.book_id = %(book)s AND f.state NOT IN ('applied', 'closed') AND diligence.is_in_hand(f, %(at)s)
 ORDER BY f.moved_at LIMIT %(limit)s;

-- name: unsettled
SELECT count(*) FROM diligence.file f
 WHERE f.book_id = %(book)s AND f.state NOT IN ('applied', 'closed')
   AND (diligence.is_in_hand(f, %(at)s) OR EXISTS (
        SELECT FROM diligence.party p
         WHERE p.book_id = f.book_id AND p.customer_id = f.customer_id AND p.withdrawn IS NULL
           AND p.answer IN ('later', 'unavailable')));

-- name: is_before_people
SELECT diligence.is_before_people(f, %(at)s) FROM diligence.file f
 WHERE f.book_id = %(book)s AND f.customer_id = %(customer)s;

-- name: potential
SELECT count(*) FROM diligence.party p
 WHERE p.book_id = %(book)s AND p.withdrawn IS NULL AND p.screening = 'potential';

-- name: lapsed
SELECT customer_id FROM diligence.file
 WHERE book_id = %(book)s AND state = 'verified' AND lapses_on + %(grace)s::integer <= %(today)s::date ORDER BY lapses_on LIMIT %(limit)s;

-- name: to_screen_again
SELECT f.customer_id FROM diligence.file f
 WHERE f.book_id = %(book)s AND f.state IN ('screened', 'verified', 'restricted') AND EXISTS (
        SELECT FROM diligence.party p
         WHERE p.book_id = f.book_id AND p.customer_id = f.customer_id AND p.withdrawn IS NULL
           AND p.screening IN ('clear', 'cleared') AND p.lists <> %(lists)s)
 ORDER BY f.customer_id LIMIT %(limit)s;

-- name: steps_in_the_journal
SELECT id, code, payload, sequence, posted_at FROM ledger.journal
 WHERE book_id = %(book)s AND id = ANY(%(ids)s) AND kind = 16;

-- What opened accounts: ledger.account says only where to look, the row of the journal says whose they are.
-- name: opened_in_the_journal
SELECT j.debit_account, j.payload FROM ledger.account a
  JOIN ledger.journal j ON j.book_id = a.book_id AND j.sequence = a.opened AND j.debit_account = a.account
 WHERE a.book_id = %(book)s AND a.account = ANY(%(accounts)s) AND j.kind = 7 AND j.sequence < %(before)s;

-- name: hold_in_the_journal
SELECT debit_account, credit_account, amount FROM ledger.journal
 WHERE book_id = %(book)s AND id = %(id)s AND kind = 2 AND sequence < %(before)s;

-- Only rows of a source that was taken over have an order of their own.
-- name: taken_over_in_the_journal
SELECT payload FROM ledger.journal
 WHERE book_id = %(book)s AND kind = 16 AND code = %(code)s AND order_id IS NOT NULL AND sequence < %(before)s;
