"""The named queries of escrow (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    propose: Query
    agree: Query
    call_off: Query
    say: Query
    end_tranche: Query
    looked: Query
    agreement: Query
    agreements: Query
    tranches: Query
    to_look_at: Query
    facts: Query
    counted: Query
    waiting: Query
    holdings_of: Query
    facts_at: Query


QUERIES = load(_Queries, "ringfence.escrow")
