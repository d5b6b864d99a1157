-- Which of these accounts programs may post to directly, and which of them belong together: money moves between accounts
-- of one group only. This is the answer of a book that no custody keeps; custody has a narrower one.
-- name: open_to_posting
SELECT a.account, a.pool AS together
  FROM ledger.account a
 WHERE a.book_id = %(book)s AND a.account = ANY(%(accounts)s)
   AND a.owner LIKE 'customer:%%' AND a.name NOT LIKE '%%:frozen';

-- name: numbers_of
SELECT name, account, currency FROM ledger.account WHERE book_id = %(book)s AND name = ANY(%(names)s);
