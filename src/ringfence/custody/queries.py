"""The named queries of custody (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    open_day: Query
    close_day: Query
    current_day: Query
    days: Query
    insert_customer: Query
    open_wallet: Query
    paid_since: Query
    customer: Query
    customers: Query
    open_to_posting: Query
    require_room: Query
    insert_bank_account: Query
    insert_order: Query
    move_order: Query
    order_by_id: Query
    orders: Query
    orders_by_state: Query
    expected_deposit: Query
    insert_payment_order: Query
    insert_cash_movement: Query
    insert_receipt: Query
    insert_status_taken: Query
    new_advices: Query
    new_statuses: Query
    submitted_orders: Query
    unallocated: Query
    hold: Query
    cash_movement_by_key: Query
    new_files: Query
    insert_file_noted: Query
    posted_transfer: Query


QUERIES = load(_Queries, "ringfence.custody")
