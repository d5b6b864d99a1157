"""Risk's named queries (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    order_rows: Query
    decision_of_order: Query
    decisions: Query


QUERIES = load(_Queries, "ringfence.risk")
