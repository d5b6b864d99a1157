"""The named queries of diligence (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    open_file: Query
    take_document: Query
    name_owner: Query
    withdraw_owner: Query
    take_answer: Query
    take_screening: Query
    decide_match: Query
    ask_tier: Query
    verify: Query
    restrict: Query
    close_file: Query
    require_standing: Query
    shut_so_far: Query
    file: Query
    files: Query
    counted: Query
    due: Query
    parties: Query
    documents: Query
    to_advance: Query
    unsettled: Query
    is_before_people: Query
    potential: Query
    lapsed: Query
    to_screen_again: Query
    steps_in_the_journal: Query
    opened_in_the_journal: Query
    hold_in_the_journal: Query
    taken_over_in_the_journal: Query


QUERIES = load(_Queries, "ringfence.diligence")
