-- ledger: a row is there for whoever serves its book. The owner passes in three tables. The registry: a book is entered before
-- anybody serves it. Head and journal: an append looks at them five times; ledger.advance asks once who serves the book, and
-- whatever else reads them with the owner's rights reads rows that this transaction has promised, or asks too.
SELECT ledger.keep_books_apart('ledger');
ALTER TABLE ledger.book NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.head NO FORCE ROW LEVEL SECURITY;
ALTER TABLE ledger.journal NO FORCE ROW LEVEL SECURITY;
SELECT ledger.fix_search_paths('ledger');
