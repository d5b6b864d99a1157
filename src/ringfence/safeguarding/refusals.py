"""How safeguarding says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

FIGURE_MUST_NOT_BE_NEGATIVE = refusal(
    "figure_must_not_be_negative",
    Fault.INPUT,
    en="The figure {name} is {value}; it is counted without a sign.",
    zh="数值 {name} 为 {value}；该项不得为负。",
)
FRAUD_RATE_NEEDS_A_VOLUME = refusal(
    "fraud_rate_needs_a_volume",
    Fault.INPUT,
    en="A fraud rate needs payments: their value is zero.",
    zh="计算欺诈率须有交易额，当前为零。",
)
PROFILE_IS_UNKNOWN = refusal(
    "profile_is_unknown",
    Fault.INPUT,
    en="There is no regime profile {profile!r}; known are {known}.",
    zh="没有监管配置 {profile!r}；已有：{known}。",
)
ACCOUNT_IS_NOT_RECONCILED = refusal(
    "account_is_not_reconciled",
    Fault.STATE,
    en="{account} is not reconciled for {day}; reconcile it first.",
    zh="{account} 在 {day} 尚未对账；请先对账。",
)
ACCOUNTS_ARE_RECONCILED_AT_DIFFERENT_POINTS = refusal(
    "accounts_are_reconciled_at_different_points",
    Fault.STATE,
    en="{account} has moved since it was reconciled for {day}; reconcile all accounts at one cut-off.",
    zh="{account} 在 {day} 对账后又有变动；请按同一截止点对所有账户对账。",
)
CURRENCY_HAS_NO_CLIENT_ACCOUNT = refusal(
    "currency_has_no_client_account",
    Fault.UNKNOWN,
    en="There is no custodian account for client money in {currency}.",
    zh="没有 {currency} 的客户资金存管账户。",
)
NO_CUSTODIAN_ACCOUNT_IS_OPEN = refusal(
    "no_custodian_account_is_open",
    Fault.STATE,
    en="The book has no custodian account, so there is nothing to reconcile and to test.",
    zh="账簿没有存管账户，无可对账或测试。",
)
STATEMENTS_ARE_MISSING = refusal(
    "statements_are_missing",
    Fault.STATE,
    en="{day} cannot be closed: its statement has not come for {accounts}.",
    zh="{day} 不能日终：尚缺对账单 {accounts}。",
)
DAY_IS_NOT_THE_OPEN_ONE = refusal(
    "day_is_not_the_open_one",
    Fault.STATE,
    en="{day} is not the open business day; that is {open}.",
    zh="{day} 不是当前营业日；当前营业日为 {open}。",
)
DAY_WAS_NOT_CLOSED_WITH_TESTS = refusal(
    "day_was_not_closed_with_tests",
    Fault.UNKNOWN,
    en="There is no summary of {day}: it was not closed, or not with its tests.",
    zh="没有 {day} 的日终汇总：该日未日终，或日终时未做测试。",
)
SAFEGUARDING_WAS_TESTED_MEANWHILE = refusal(
    "safeguarding_was_tested_meanwhile",
    Fault.STATE,
    en="Somebody else tested the same day meanwhile; look again.",
    zh="同一日已由他人同时测试，请重新查看。",
)
TEST_MUST_EXIST = refusal(
    "test_must_exist",
    Fault.UNKNOWN,
    en="Safeguarding was not tested for {day} in {currency}.",
    zh="{day} 没有 {currency} 的资金安全测试。",
)

register(
    {
        "test_is_unique": SAFEGUARDING_WAS_TESTED_MEANWHILE,
    }
)
