"""The ledger's named queries (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    book_by_name: Query
    books: Query
    next_book: Query
    serve_apart: Query
    serve_together: Query
    logins_of: Query
    open_book: Query
    head: Query
    advance: Query
    append: Query
    promise_and_copy: Query
    end_stalled_writer: Query
    hold_head: Query
    parts: Query
    make_parts: Query
    copy_journal_in: Query
    copy_journal_out: Query
    payloads: Query
    rows_by_id: Query
    references: Query
    insert_account: Query
    close_account: Query
    limit_account: Query
    head_at: Query
    account_by_name: Query
    accounts: Query
    balance_before: Query
    balances_before: Query
    balances_page: Query
    pool_course: Query
    account_names: Query
    statement: Query
    journal_page: Query
    rows_of_order: Query
    events_of: Query
    expired_pending: Query
    posted_at: Query
    clock: Query


QUERIES = load(_Queries, "ringfence.ledger")
