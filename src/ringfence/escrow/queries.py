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
    agreements_of_party: Query
    tranches: Query
    to_look_at: Query
    facts: Query
    counted: Query
    waiting: Query
    holdings_of: Query
    fact_at: Query
    released_by: Query


QUERIES = load(_Queries, "ringfence.escrow")
