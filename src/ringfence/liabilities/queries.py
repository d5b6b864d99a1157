"""The named queries of this package (sql/queries.sql)."""

from typing import Final

from ringfence.database.queries import NamedQueries, Query, load


class Queries(NamedQueries):
    to_prove: Query
    balances: Query
    rows_of: Query
    row_said: Query
    reconciled: Query
    checkpoint_of: Query
    erased_of: Query
    prove: Query
    keep_leaves: Query
    attest: Query
    refuse: Query
    proven: Query
    leaves: Query
    attested: Query
    unproven: Query


QUERIES: Final = load(Queries, "ringfence.liabilities")
