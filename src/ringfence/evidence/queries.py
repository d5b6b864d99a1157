"""The named queries of this package (sql/queries.sql)."""

from typing import Final

from ringfence.database.queries import NamedQueries, Query, load


class Queries(NamedQueries):
    last_checkpoint: Query
    record_checkpoint: Query
    raise_alarm: Query
    alarms: Query
    extent: Query
    repeated_sequence: Query
    misspelled_row: Query
    repeated_id: Query
    sequences_of: Query
    look_up_by_index: Query
    book_and_entries: Query
    accounts_named: Query
    accounts_after: Query
    accounts_moved_since: Query
    accounts_restated_since: Query
    entries_after: Query
    shifted_after: Query
    shifted_missing: Query
    totals_of: Query
    checkpoints_between: Query


QUERIES: Final = load(Queries, "ringfence.evidence")
