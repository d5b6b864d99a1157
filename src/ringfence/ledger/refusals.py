"""How the ledger says no: one refusal for each `Result`, in the same order of precedence, and those of the journal."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.ledger.model import Result
from ringfence.refusal import Fault, Refusal, refusal

_SENTENCES: Final[dict[Result, tuple[Fault, str, str]]] = {
    Result.ID_MUST_NOT_BE_ZERO: (Fault.INPUT, "The id is zero.", "标识不得为零。"),
    Result.LINKED_CHAIN_MUST_BE_CLOSED: (
        Fault.INPUT,
        "The last row of the batch is linked to a next one that is not there.",
        "批次最后一行声明与下一行相连，但下一行不存在。",
    ),
    Result.LINKED_ROW_FAILED: (
        Fault.STATE,
        "Another row of the same chain was refused, and a chain happens whole or not at all.",
        "同一链中的另一行被拒绝；链要么全部生效，要么全部不生效。",
    ),
    Result.ID_ALREADY_HAS_OTHER_CONTENT: (
        Fault.STATE,
        "The id {id} was used before with other content.",
        "标识 {id} 曾用于不同内容的请求。",
    ),
    Result.KIND_MUST_BE_KNOWN: (Fault.INPUT, "The kind of row is unknown.", "行的种类未知。"),
    Result.FLAGS_MUST_BE_KNOWN: (Fault.INPUT, "The row carries a flag that nobody knows.", "该行带有未知标志。"),
    Result.COLUMN_MUST_BE_IN_RANGE: (
        Fault.INPUT,
        "A value date, expiry, amount or account number is outside of what can be kept.",
        "起息日、到期时间、金额或账户编号超出可保存的范围。",
    ),
    Result.PAYLOAD_MUST_BE_VALID: (
        Fault.INPUT,
        "The payload is missing, too long or does not describe what the row needs.",
        "附带内容缺失、过长或不符合该行的要求。",
    ),
    Result.AMOUNT_MUST_BE_POSITIVE: (Fault.INPUT, "The amount is not positive.", "金额必须为正。"),
    Result.VALUE_DATE_MUST_BE_IN_AN_OPEN_PERIOD: (
        Fault.STATE,
        "The value date lies in a period that was closed.",
        "起息日所在期间已关账。",
    ),
    Result.DEBIT_ACCOUNT_MUST_EXIST: (Fault.UNKNOWN, "The debit account does not exist.", "借方账户不存在。"),
    Result.CREDIT_ACCOUNT_MUST_EXIST: (Fault.UNKNOWN, "The credit account does not exist.", "贷方账户不存在。"),
    Result.ACCOUNTS_MUST_BE_DIFFERENT: (
        Fault.INPUT,
        "Debit and credit account are the same.",
        "借方与贷方是同一账户。",
    ),
    Result.ACCOUNTS_MUST_HAVE_THE_SAME_CURRENCY: (
        Fault.INPUT,
        "The two accounts have different currencies.",
        "两个账户的币种不同。",
    ),
    Result.ACCOUNT_NUMBER_MUST_BE_NEXT: (
        Fault.STATE,
        "Account numbers are given in order, and this is not the next.",
        "账户编号须连续，此编号不是下一个。",
    ),
    Result.ACCOUNT_NAME_MUST_BE_NEW: (
        Fault.STATE,
        "An account of that name exists already.",
        "同名账户已存在。",
    ),
    Result.ACCOUNT_MUST_EXIST: (Fault.UNKNOWN, "The account does not exist.", "账户不存在。"),
    Result.ACCOUNT_MUST_BE_OPEN: (Fault.STATE, "An account of this row is closed.", "所涉账户已销户。"),
    Result.ACCOUNT_MUST_BE_EMPTY: (
        Fault.STATE,
        "The account has a balance or money on hold, so it cannot be closed.",
        "账户仍有余额或冻结款，不能销户。",
    ),
    Result.PERIOD_MUST_HAVE_ENDED: (
        Fault.INPUT,
        "A period can be closed up to today, not beyond.",
        "只能关闭至今日为止的期间。",
    ),
    Result.PERIOD_MUST_BE_LATER_THAN_THE_LAST_CLOSED: (
        Fault.STATE,
        "This day, or a later one, is closed already.",
        "该日或其后日期已关账。",
    ),
    Result.EXPIRY_MUST_BE_IN_THE_FUTURE: (
        Fault.INPUT,
        "Only a pending transfer expires, and only in the future.",
        "只有待定转账可设到期时间，且须在将来。",
    ),
    Result.PENDING_TRANSFER_MUST_EXIST: (
        Fault.UNKNOWN,
        "There is no such pending transfer.",
        "所指的待定转账不存在。",
    ),
    Result.PENDING_TRANSFER_ALREADY_POSTED: (
        Fault.STATE,
        "The pending transfer was posted before.",
        "该待定转账已入账。",
    ),
    Result.PENDING_TRANSFER_ALREADY_VOIDED: (
        Fault.STATE,
        "The pending transfer was voided before.",
        "该待定转账已撤销。",
    ),
    Result.PENDING_TRANSFER_ALREADY_EXPIRED: (
        Fault.STATE,
        "The pending transfer has expired.",
        "该待定转账已到期失效。",
    ),
    Result.PENDING_TRANSFER_MUST_HAVE_THE_SAME_ACCOUNTS: (
        Fault.INPUT,
        "The accounts are not those of the pending transfer.",
        "账户与待定转账不一致。",
    ),
    Result.AMOUNT_MUST_NOT_EXCEED_PENDING_AMOUNT: (
        Fault.INPUT,
        "The amount is more than the pending transfer holds.",
        "金额超过待定转账的金额。",
    ),
    Result.PENDING_TRANSFER_HAS_PASSED_ITS_EXPIRY: (
        Fault.STATE,
        "The time of the pending transfer has passed.",
        "待定转账已过到期时间。",
    ),
    Result.PENDING_TRANSFER_HAS_NOT_EXPIRED: (
        Fault.STATE,
        "The time of the pending transfer has not passed yet.",
        "待定转账尚未到期。",
    ),
    Result.CORRECTED_TRANSFER_MUST_EXIST: (
        Fault.UNKNOWN,
        "The transfer to be corrected does not exist.",
        "要更正的转账不存在。",
    ),
    Result.CORRECTED_TRANSFER_MUST_BE_POSTED: (
        Fault.STATE,
        "Only a posted transfer can be corrected.",
        "只有已入账的转账可以更正。",
    ),
    Result.CORRECTION_MUST_MIRROR_THE_TRANSFER: (
        Fault.INPUT,
        "A correction has the same amount with debit and credit exchanged.",
        "更正须金额相同、借贷互换。",
    ),
    Result.TRANSFER_ALREADY_CORRECTED: (
        Fault.STATE,
        "The transfer was corrected before.",
        "该转账已更正过。",
    ),
    Result.BALANCE_MUST_FIT_64_BITS: (
        Fault.STATE,
        "A sum of the account would exceed 64 bits.",
        "账户累计额将超出 64 位。",
    ),
    Result.BALANCE_MUST_NOT_FALL_BELOW_ITS_MINIMUM: (
        Fault.STATE,
        "The account's available balance would fall below its minimum.",
        "账户可用余额将低于下限。",
    ),
    Result.BALANCE_MUST_NOT_EXCEED_ITS_MAXIMUM: (
        Fault.STATE,
        "The account's balance would exceed its maximum.",
        "账户余额将超过上限。",
    ),
    Result.POOL_MUST_STAY_COVERED: (
        Fault.STATE,
        "The pool would owe more than it holds, and the purpose of this row does not allow that.",
        "该资金池的应付将超过其持有，且此用途不允许。",
    ),
    Result.MONITOR_TURN_MUST_BE_JOURNALED: (
        Fault.STATE,
        "A monitor turned here, and the journal does not say so, or says it where none turned.",
        "此处监测条件发生翻转而日志未记，或未翻转而有记载。",
    ),
}

RESULT_REFUSALS: Final[dict[Result, Refusal]] = {
    result: refusal(result.word, fault, en=english, zh=chinese)
    for result, (fault, english, chinese) in _SENTENCES.items()
}

BOOK_MUST_EXIST = refusal(
    "book_must_exist",
    Fault.UNKNOWN,
    en="There is no book named {book}.",
    zh="没有名为 {book} 的账簿。",
)
ROW_MUST_EXIST = refusal(
    "row_must_exist",
    Fault.UNKNOWN,
    en="The journal has no row {sequence}.",
    zh="账簿日志中没有第 {sequence} 行。",
)
BOOK_NAME_MUST_BE_NEW = refusal(
    "book_name_must_be_new",
    Fault.STATE,
    en="A book named {book} exists already.",
    zh="名为 {book} 的账簿已存在。",
)
BOOK_NAME_MUST_BE_A_WORD = refusal(
    "book_name_must_be_a_word",
    Fault.INPUT,
    en="A book is named by 1 to 63 small letters, digits, points and hyphens, beginning with a letter or digit.",
    zh="账簿名称须为 1 至 63 个小写字母、数字、点或连字符，且以字母或数字开头。",
)
CLOCK_MUST_NOT_GO_BACK = refusal(
    "clock_must_not_go_back",
    Fault.MACHINE,
    en="The clock shows {now}, but the book was last written at {last}. Set the clock right; nothing was written.",
    zh="时钟显示 {now}，但账簿最后写入于 {last}。请校正时钟；本次未写入任何内容。",
)
ENTRIES_MUST_HAVE_THE_ROW = refusal(
    "entries_must_have_the_row",
    Fault.MACHINE,
    en="The entries do not have row {sequence} yet; they are {rows} rows and {seconds} s behind. Ask again.",
    zh="分录尚未包含第 {sequence} 行，落后 {rows} 行、{seconds} 秒。请稍后再查。",
)
ID_MUST_NOT_BE_OF_THE_FUTURE = refusal(
    "id_must_not_be_of_the_future",
    Fault.INPUT,
    en="An id of version 7 carries a time that is more than a day ahead. Set the clock that made it right.",
    zh="版本 7 标识所含时间超前一天以上。请校正生成该标识的时钟。",
)
PART_MUST_EXIST = refusal(
    "part_must_exist",
    Fault.UNKNOWN,
    en="The journal has no part {part}.",
    zh="账簿日志没有第 {part} 分区。",
)
PART_MUST_BE_CLOSED = refusal(
    "part_must_be_closed",
    Fault.STATE,
    en="Part {part} of the journal still takes rows. Seal it first, once every book has left it.",
    zh="账簿日志第 {part} 分区仍可写入。须待所有账簿离开该分区并封存后再归档。",
)
PART_DOES_NOT_MATCH_ITS_SEAL = refusal(
    "part_does_not_match_its_seal",
    Fault.MACHINE,
    en="Part {part} of the journal is not what was sealed: its rows were changed. Nothing was moved. Raise the alarm.",
    zh="账簿日志第 {part} 分区与封存时不符：行已被改动。未移动任何内容，请立即告警。",
)
PART_IS_IN_USE = refusal(
    "part_is_in_use",
    Fault.MACHINE,
    en="The journal was being read without a pause, so part {part} stayed where it is. Its file is whole; try again.",
    zh="账簿日志持续被读取，第 {part} 分区未能移动。归档文件完整，请重试。",
)
TABLESPACE_MUST_EXIST = refusal(
    "tablespace_must_exist",
    Fault.UNKNOWN,
    en="PostgreSQL has no tablespace {tablespace}.",
    zh="PostgreSQL 没有表空间 {tablespace}。",
)

register(
    {
        "book_name_is_a_word": BOOK_NAME_MUST_BE_A_WORD,
        "journal_id_is_not_of_the_future": ID_MUST_NOT_BE_OF_THE_FUTURE,
    }
)
