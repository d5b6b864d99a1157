"""The named queries of the vault (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    active_wrapping_key: Query
    add_wrapping_key: Query
    active_field_key: Query
    active_field_keys: Query
    add_field_key: Query
    keep: Query
    field: Query
    payment: Query
    masks: Query
    rows_with_value: Query
    index_of: Query
    begin_rotation: Query
    field_keys_to_replace: Query
    replace_field_key: Query
    fields_to_reseal: Query
    reseal: Query
    field_keys_to_rewrap: Query
    rewrap: Query
    retire_field_keys: Query
    retire_wrapping_keys: Query
    leaving: Query
    end_rotation: Query
    census: Query
    open_rotations: Query
    reveal_to: Query
    reveals: Query
    erase: Query
    erasure: Query


QUERIES = load(_Queries, "ringfence.vault")
