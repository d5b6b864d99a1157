"""The named queries of payees (sql/payees.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    found_payee: Query
    propose_payee: Query
    add_payee: Query
    remove_payee: Query
    payee: Query
    payees_of: Query
    payee_with: Query
    insert_order_payee: Query
    payee_of_order: Query
    waiting_for: Query
    let_go_to: Query
    let_go: Query


QUERIES = load(_Queries, "ringfence.custody", "sql/payees.sql")
