-- liabilities: a row is there for whoever serves its book (ledger/sql/schema_serving.sql).
SELECT ledger.keep_books_apart('liabilities');
SELECT ledger.fix_search_paths('liabilities');
