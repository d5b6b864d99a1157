"""Reconciliation's named queries (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    be_patient: Query
    cut_off: Query
    books_read: Query
    bank_read: Query
    match_items: Query
    matched: Query
    unclosed: Query
    occurrences: Query
    matched_items: Query
    open_discrepancies: Query
    close_discrepancies: Query
    insert_contra: Query
    close_run: Query
    accept_discrepancy: Query
    runs: Query
    last_run: Query
    discrepancies: Query
    advised: Query
    open_counts: Query
    statement_items: Query
    missing_statements: Query
    pool_balances: Query


QUERIES = load(_Queries, "ringfence.reconciliation")
