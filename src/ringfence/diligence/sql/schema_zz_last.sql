-- diligence: a row is there for whoever serves its book.
SELECT ledger.keep_books_apart('diligence');
SELECT ledger.fix_search_paths('diligence');
