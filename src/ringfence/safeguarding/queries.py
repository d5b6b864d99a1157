"""Safeguarding's named queries (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    requirement: Query
    requirement_lines: Query
    in_transit: Query
    unrecorded: Query
    insert_test: Query
    tests: Query
    event_said: Query
    transfers_of: Query
    live_accounts: Query
    due_statements: Query
    oldest_open: Query


QUERIES = load(_Queries, "ringfence.safeguarding")
