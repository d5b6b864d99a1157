"""Authority's named queries (sql/queries.sql)."""

from ringfence.database.queries import NamedQueries, Query, load


class _Queries(NamedQueries):
    begin_sign_in: Query
    try_password: Query
    open_session: Query
    set_code_device: Query
    new_challenge: Query
    require_challenge: Query
    open_session_by_passkey: Query
    passkeys: Query
    enrol_passkey: Query
    revoke_passkey: Query
    keys_enrolled: Query
    money_moved: Query
    key_events: Query
    touch_session: Query
    end_own_session: Query
    end_session: Query
    sessions: Query
    client_of: Query
    clients: Query
    add_client: Query
    revoke_client: Query
    people: Query
    active_person: Query
    customer_of: Query
    logins_of: Query
    found_person: Query
    change_person: Query
    deactivate_person: Query
    change_password: Query
    found_policy: Query
    change_policy: Query
    policy_at: Query
    rule_packs: Query
    rule_pack_at: Query
    found_rule_pack: Query
    change_rule_pack: Query
    require_rule_pack: Query
    policies: Query
    policy_version: Query
    make_proposal: Query
    require_nobody: Query
    score_of: Query
    objection: Query
    decide: Query
    carry_out: Query
    carry_out_standing: Query
    carry_out_correction: Query
    proposal: Query
    proposals_of_order: Query
    proposals_in_state: Query
    latest_proposals: Query
    approvals: Query
    events_at: Query
    person_events: Query
    roles_held: Query
    standing_rows: Query
    last_turns: Query
    latest_turns: Query
    kind_of_id: Query
    account_facts: Query
    opened_accounts: Query
    row_payload: Query


QUERIES = load(_Queries, "ringfence.authority")
