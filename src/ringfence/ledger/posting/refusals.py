"""How posting says no to a whole request; `row` counts from 0. Nothing of a refused request is written."""

from ringfence.refusal import Fault, refusal

ONLY_PROGRAMS_POST_ROWS = refusal(
    "only_programs_post_rows",
    Fault.PERMISSION,
    en="Only a program of the platform posts rows; people make orders.",
    zh="仅平台程序可直接记账；人员请提交业务指令。",
)
CONTENT_MUST_BE_ROWS = refusal(
    "content_must_be_rows",
    Fault.INPUT,
    en="This address takes the Content-Type {expected}.",
    zh="此地址只接受 Content-Type {expected}。",
)
ROWS_MUST_BE_WHOLE_RECORDS = refusal(
    "rows_must_be_whole_records",
    Fault.INPUT,
    en="The body has {bytes} bytes; it takes 1 to {rows_max} records of {record} bytes.",
    zh="请求体为 {bytes} 字节；应为 1 至 {rows_max} 条、每条 {record} 字节的记录。",
)
ROW_MUST_NOT_NAME_AN_ORDER = refusal(
    "row_must_not_name_an_order",
    Fault.INPUT,
    en="Row {row} names an order; rows that a program posts carry the program's own mark there.",
    zh="第 {row} 行填写了指令号；程序记账的行在此处由系统标记程序身份。",
)
ROW_MUST_MOVE_MONEY = refusal(
    "row_must_move_money",
    Fault.INPUT,
    en="Row {row} is no transfer, pending transfer, post, void or expiry (kinds 1 to 5).",
    zh="第 {row} 行不是转账、待定转账、入账、撤销或到期（种类 1 至 5）。",
)
CORRECTION_IS_NOT_POSTED = refusal(
    "correction_is_not_posted",
    Fault.PERMISSION,
    en="Row {row} is a correction, and people approve those. A program moves the money the other way.",
    zh="第 {row} 行为冲正，须经人员审批。程序可反向转账。",
)
ID_MUST_BE_OF_VERSION_7 = refusal(
    "id_must_be_of_version_7",
    Fault.INPUT,
    en="Row {row} carries or refers to an id that is no UUID of version 7 of a time that has come.",
    zh="第 {row} 行使用或引用的标识不是第 7 版 UUID，或其时间尚未到来。",
)
ID_MUST_BE_EVEN = refusal(
    "id_must_be_even",
    Fault.INPUT,
    en="Row {row} carries or refers to an odd id; those belong to orders. Make ids whose last bit is zero.",
    zh="第 {row} 行使用或引用了奇数标识，该类标识专属业务指令。请使用末位比特为零的标识。",
)
ROW_REFERS_AS_ITS_KIND_DOES = refusal(
    "row_refers_as_its_kind_does",
    Fault.INPUT,
    en="Row {row}: a post, void or expiry refers to another row, a transfer to none.",
    zh="第 {row} 行：入账、撤销、到期须引用另一行，转账不得引用。",
)
CODE_MUST_BE_OPEN_TO_POSTING = refusal(
    "code_must_be_open_to_posting",
    Fault.PERMISSION,
    en="The purpose of row {row} is not for programs that post: 102 and 200 to 999 are.",
    zh="第 {row} 行的用途代码不对程序记账开放；开放 102 及 200 至 999。",
)
VALUE_DATE_MUST_BE_NEAR = refusal(
    "value_date_must_be_near",
    Fault.INPUT,
    en="The value date of row {row} lies before 1970 or after tomorrow.",
    zh="第 {row} 行的起息日早于 1970 年或晚于明日。",
)
EXPIRY_MUST_BE_NEAR = refusal(
    "expiry_must_be_near",
    Fault.INPUT,
    en="The expiry of row {row} is more than ten years away.",
    zh="第 {row} 行的到期时间超过十年。",
)
ACCOUNT_MUST_BE_OPEN_TO_POSTING = refusal(
    "account_must_be_open_to_posting",
    Fault.PERMISSION,
    en="An account of row {row} is not open to programs that post: customers' available money is.",
    zh="第 {row} 行的账户不对程序记账开放；开放的是客户可用资金账户。",
)
ACCOUNTS_MUST_BE_IN_ONE_GROUP = refusal(
    "accounts_must_be_in_one_group",
    Fault.PERMISSION,
    en="The accounts of row {row} belong to different pools or custodian accounts.",
    zh="第 {row} 行的两个账户属于不同资金池或不同存管账户。",
)
CURRENCY_MUST_BE_OF_BOTH_ACCOUNTS = refusal(
    "currency_must_be_of_both_accounts",
    Fault.INPUT,
    en="The currency {currency} is not that of the account {account}.",
    zh="币种 {currency} 与账户 {account} 不符。",
)
LEDGER_IS_BUSY = refusal(
    "ledger_is_busy",
    Fault.MACHINE,
    en="More than {rows_max} rows are on their way. Nothing of this request was written; send the same again shortly.",
    zh="在途行数超过 {rows_max}。本次请求未写入任何内容；请稍后原样重发。",
)
