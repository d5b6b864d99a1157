"""Incident's named queries (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    brake_events: Query
    release_brake: Query
    indicator_levels: Query
    turn_indicator: Query


QUERIES = load(_Queries, "ringfence.incident")
