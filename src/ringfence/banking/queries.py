"""The named queries of banking (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    accounts: Query
    file_is_known: Query
    insert_file: Query
    insert_statement: Query
    insert_entry: Query
    insert_advice: Query
    order_of_message: Query
    insert_status: Query
    statuses_of: Query
    waiting_payments: Query
    insert_submission: Query
    submission_of: Query
    insert_withheld: Query
    withheld_of: Query
    withheld: Query
    files: Query
    statements: Query
    latest_statements: Query
    entries_of_statement: Query
    journal_row: Query
    event_row: Query
    first_signed: Query
    submitted_to: Query
    resolution_of: Query
    account_name: Query


QUERIES = load(_Queries, "ringfence.banking")
