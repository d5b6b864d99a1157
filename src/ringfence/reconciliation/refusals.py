"""How reconciliation says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

STATEMENT_OF_THE_DAY_IS_MISSING = refusal(
    "statement_of_the_day_is_missing",
    Fault.STATE,
    en="The statement of {day} has not come for {account} (the last one is of {last}).",
    zh="{account} 的 {day} 对账单尚未收到（最近一份为 {last}）。",
)
LATER_DAY_IS_RECONCILED = refusal(
    "later_day_is_reconciled",
    Fault.STATE,
    en="{account} is reconciled up to {last}; {day} before it never was and cannot be any more.",
    zh="{account} 已对账至 {last}；其前的 {day} 未曾对账，现已不能补做。",
)
RECONCILIATION_RAN_MEANWHILE = refusal(
    "reconciliation_ran_meanwhile",
    Fault.STATE,
    en="Somebody else reconciled the account meanwhile; look again.",
    zh="该账户已由他人同时对账，请重新查看。",
)
RECONCILIATION_DOES_NOT_PROVE = refusal(
    "reconciliation_does_not_prove",
    Fault.STATE,
    en="The discrepancies do not lead from the cashbook's balance to the bank's: {detail}. Nothing was changed.",
    zh="差错未能将账面余额推导至银行余额：{detail}。未作任何更改。",
)
ENTRIES_DO_NOT_REACH_THE_CUT = refusal(
    "entries_do_not_reach_the_cut",
    Fault.STATE,
    en="The cashbook is not read up to the cut-off yet; try again.",
    zh="账面尚未读至截止点，请重试。",
)
DISCREPANCY_MUST_EXIST = refusal(
    "discrepancy_must_exist",
    Fault.UNKNOWN,
    en="There is no discrepancy {discrepancy}.",
    zh="没有差错 {discrepancy}。",
)
DISCREPANCY_IS_NOT_OPEN = refusal(
    "discrepancy_is_not_open",
    Fault.STATE,
    en="Discrepancy {discrepancy} is closed, or accepted, already.",
    zh="差错 {discrepancy} 已关闭或已被认可。",
)
ACCEPTANCE_NEEDS_A_PERSON_AND_A_REASON = refusal(
    "acceptance_needs_a_person_and_a_reason",
    Fault.INPUT,
    en="A discrepancy is accepted by a named person, with a reason of 10 to 500 characters.",
    zh="认可差错须有署名人员，并说明理由（10 至 500 字）。",
)
RECONCILIATION_MUST_EXIST = refusal(
    "reconciliation_must_exist",
    Fault.UNKNOWN,
    en="{account} was not reconciled for {day}.",
    zh="{account} 在 {day} 没有对账记录。",
)
CALENDAR_IS_UNKNOWN = refusal(
    "calendar_is_unknown",
    Fault.INPUT,
    en="There is no calendar for {profile!r}; there are some for {known}.",
    zh="没有 {profile!r} 的日历；已有：{known}。",
)
CALENDAR_DOES_NOT_COVER_THE_DAY = refusal(
    "calendar_does_not_cover_the_day",
    Fault.STATE,
    en="Calendar {calendar} knows the days from {first} to {last}, not {day}; add its holidays.",
    zh="日历 {calendar} 只覆盖 {first} 至 {last}，不含 {day}；请补充节假日。",
)

register(
    {
        "reconciliation_is_the_next": RECONCILIATION_RAN_MEANWHILE,
        "run_is_unique": RECONCILIATION_RAN_MEANWHILE,
        "movement_is_matched_once": RECONCILIATION_RAN_MEANWHILE,
        "entry_is_matched_once": RECONCILIATION_RAN_MEANWHILE,
        "discrepancy_is_unique": RECONCILIATION_RAN_MEANWHILE,
        "discrepancy_is_open_once": RECONCILIATION_RAN_MEANWHILE,
        "discrepancy_is_still_open": DISCREPANCY_IS_NOT_OPEN,
        "reconciliation_proves_the_balance": RECONCILIATION_DOES_NOT_PROVE,
        "entries_reach_the_cut": ENTRIES_DO_NOT_REACH_THE_CUT,
        "acceptance_has_a_person_and_a_reason": ACCEPTANCE_NEEDS_A_PERSON_AND_A_REASON,
    }
)
