"""How a crossing is refused."""

from ringfence.refusal import Fault, refusal

CROSSING_NEEDS_TWO_BOOKS = refusal(
    "crossing_needs_two_books",
    Fault.INPUT,
    en="A crossing goes from this book to another one.",
    zh="跨账簿转账须由本账簿转往另一账簿。",
)
CLEARING_ACCOUNT_MUST_EXIST = refusal(
    "clearing_account_must_exist",
    Fault.STATE,
    en="The book {book} has no clearing account for {other} in this currency; open it first.",
    zh="账簿 {book} 没有与 {other} 之间该币种的清算账户；请先开立。",
)
CROSSING_STAYS_IN_THE_POOL = refusal(
    "crossing_stays_in_the_pool",
    Fault.INPUT,
    en="The account {account} does not belong to client money; only that crosses.",
    zh="账户 {account} 不属于客户资金；仅客户资金可跨账簿转账。",
)
CROSSING_WAS_VOIDED = refusal(
    "crossing_was_voided",
    Fault.STATE,
    en="The other book did not take it, or not in time ({reason}); nothing has moved.",
    zh="对方账簿未接受或未及时接受（{reason}）；资金未移动。",
)
CROSSING_MUST_EXIST = refusal(
    "crossing_must_exist",
    Fault.UNKNOWN,
    en="This book has begun no crossing {crossing}.",
    zh="本账簿没有发起过跨账簿转账 {crossing}。",
)
NEIGHBOUR_IS_NOT_KNOWN = refusal(
    "neighbour_is_not_known",
    Fault.UNKNOWN,
    en="This installation knows no book named {book} to cross to.",
    zh="本系统不知道可转往的账簿 {book}。",
)
