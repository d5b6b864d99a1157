"""How custody says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

NO_DAY_IS_OPEN = refusal(
    "no_day_is_open",
    Fault.STATE,
    en="No business day is open; open one first (`ringfence day open`).",
    zh="没有开启的营业日；请先日始（`ringfence day open`）。",
)
DAY_MUST_FOLLOW_THE_LAST = refusal(
    "day_must_follow_the_last",
    Fault.STATE,
    en="{day} does not follow the last business day {last}, or that one is still open.",
    zh="{day} 不晚于上一营业日 {last}，或上一营业日尚未日终。",
)
DAY_LIES_IN_A_CLOSED_PERIOD = refusal(
    "day_lies_in_a_closed_period",
    Fault.STATE,
    en="{day} lies in a period that was closed (through {through}), so nothing could be booked on it.",
    zh="{day} 位于已关账期间（至 {through}），当日无法入账。",
)
BUSINESS_DAY_MUST_BE_CLOSED_FIRST = refusal(
    "business_day_must_be_closed_first",
    Fault.STATE,
    en="A period is closed up to a business day that is over; {through} is not.",
    zh="期间只能关闭至已日终的营业日；{through} 尚未日终。",
)
CUSTOMER_MUST_EXIST = refusal(
    "customer_must_exist",
    Fault.UNKNOWN,
    en="There is no customer {customer}.",
    zh="没有客户 {customer}。",
)
CUSTOMER_IS_REGISTERED_ALREADY = refusal(
    "customer_is_registered_already",
    Fault.STATE,
    en="Customer {customer} is registered with other particulars.",
    zh="客户 {customer} 已以不同资料登记。",
)
IDENTITY_NUMBER_IS_MALFORMED = refusal(
    "identity_number_is_malformed",
    Fault.INPUT,
    en="An identity number has 5 to 30 letters and digits; spaces and hyphens do not count.",
    zh="证件号码应为 5 至 30 位字母或数字，空格与连字符不计。",
)
PHONE_IS_MALFORMED = refusal(
    "phone_is_malformed",
    Fault.INPUT,
    en="A phone number has 5 to 20 digits, and may begin with +.",
    zh="电话号码应为 5 至 20 位数字，可以 + 开头。",
)
CUSTOMER_MUST_HAVE_NO_MONEY = refusal(
    "customer_must_have_no_money",
    Fault.STATE,
    en="Customer {customer} still has money here, or on its way; only an empty account's holder is erased.",
    zh="客户 {customer} 尚有资金或在途资金；仅可擦除账户已清空的客户。",
)
CUSTOMER_ID_IS_NOT_A_WORD = refusal(
    "customer_id_is_not_a_word",
    Fault.INPUT,
    en="{customer!r} is not a customer id: small letters, digits and hyphens, at most 40.",
    zh="{customer!r} 不是客户编号：应为小写字母、数字和连字符，最多 40 位。",
)
CUSTODIAN_ACCOUNT_MUST_EXIST = refusal(
    "custodian_account_must_exist",
    Fault.UNKNOWN,
    en="There is no custodian account {account}.",
    zh="没有存管账户 {account}。",
)
ORDER_MUST_EXIST = refusal(
    "order_must_exist",
    Fault.UNKNOWN,
    en="There is no order {order}.",
    zh="没有指令 {order}。",
)
ORDER_ID_ALREADY_HAS_OTHER_CONTENT = refusal(
    "order_id_already_has_other_content",
    Fault.STATE,
    en="Order {order} was placed before with other content.",
    zh="指令 {order} 曾以不同内容提交。",
)
ORDER_MOVED_MEANWHILE = refusal(
    "order_moved_meanwhile",
    Fault.STATE,
    en="The order has moved on meanwhile; look again.",
    zh="指令状态已变更，请重新查看。",
)
AMOUNT_OF_AN_ORDER_MUST_BE_POSITIVE = refusal(
    "amount_of_an_order_must_be_positive",
    Fault.INPUT,
    en="An order is for more than nothing; this one says {amount}.",
    zh="指令金额必须大于零，此处为 {amount}。",
)
CUSTOMERS_MUST_BE_DIFFERENT = refusal(
    "customers_must_be_different",
    Fault.INPUT,
    en="A transfer goes from one customer to another.",
    zh="转账的双方须为不同客户。",
)
CUSTOMERS_MUST_SHARE_A_CUSTODIAN_ACCOUNT = refusal(
    "customers_must_share_a_custodian_account",
    Fault.STATE,
    en="The money of {one} and {other} lies at different custodian accounts; the banks would have to move it.",
    zh="{one} 与 {other} 的资金存于不同存管账户，须由银行划转。",
)
BANK_KNOWS_ONE_ACCOUNT_BY_A_NUMBER = refusal(
    "bank_knows_one_account_by_a_number",
    Fault.STATE,
    en="Another custodian account of this book has the same number and currency.",
    zh="本账簿已有相同账号和币种的存管账户。",
)
RECEIPT_MUST_BE_UNALLOCATED = refusal(
    "receipt_must_be_unallocated",
    Fault.STATE,
    en="Receipt {order} is not waiting for its owner.",
    zh="来款 {order} 不在待认领状态。",
)
PAYEE_MUST_BE_THE_CUSTOMERS = refusal(
    "payee_must_be_the_customers",
    Fault.STATE,
    en="This account is not a payee of customer {customer}. Add it first (`POST /customers/{customer}/payees`);"
    " somebody else has to agree.",
    zh="该账户不是客户 {customer} 的收款账户。请先新增（`POST /customers/{customer}/payees`），并须他人同意。",
)
PAYEE_MUST_EXIST = refusal(
    "payee_must_exist",
    Fault.UNKNOWN,
    en="There is no such payee, or it was removed.",
    zh="没有该收款账户，或其已被移除。",
)
PAYEE_IS_KNOWN_ALREADY = refusal(
    "payee_is_known_already",
    Fault.STATE,
    en="Customer {customer} has this payee already.",
    zh="客户 {customer} 已有该收款账户。",
)
PAYEE_ID_ALREADY_HAS_OTHER_CONTENT = refusal(
    "payee_id_already_has_other_content",
    Fault.STATE,
    en="Payee {payee} was proposed before with other content.",
    zh="收款账户 {payee} 曾以不同内容提交。",
)
PAYEE_MUST_BE_APPROVED = refusal(
    "payee_must_be_approved",
    Fault.PERMISSION,
    en="Only the account that a customer is registered with is added without approval.",
    zh="仅客户登记时的账户可免审批新增。",
)
PAYEE_IS_BEING_PAID = refusal(
    "payee_is_being_paid",
    Fault.STATE,
    en="A payment to this payee is on its way to the bank. Remove it afterwards; the brake stops every payment.",
    zh="有款项正付往该收款账户，须待其完成后移除；紧急制动可停止全部付款。",
)
PAYEE_WAS_PAID_MEANWHILE = refusal(
    "payee_was_paid_meanwhile",
    Fault.STATE,
    en="Another payment was let go to this payee at the same moment. Try again.",
    zh="同时有另一笔款项付往该收款账户，请重试。",
)
ORDER_IS_SOMEBODY_ELSES = refusal(
    "order_is_somebody_elses",
    Fault.PERMISSION,
    en="A program cancels only what it placed itself.",
    zh="程序只能撤销其自行提交的指令。",
)
WALLET_HAS_NO_ROOM = refusal(
    "wallet_has_no_room",
    Fault.STATE,
    en="Other money came in at the same moment, and the wallet would hold more than the customer's tier allows.",
    zh="同时有其他款项入账，客户余额将超出其等级的限额。",
)
TRANSFER_CANNOT_BE_CORRECTED = refusal(
    "transfer_cannot_be_corrected",
    Fault.STATE,
    en="A transfer of purpose {code} is not taken back here: what a bank paid out comes back by the bank's word, and"
    " money in escrow or on its way to another book has ways of its own.",
    zh="用途为 {code} 的转账不能在此冲正：银行已付款项以银行通知为准退回，担保资金和跨账簿资金各有其流程。",
)

register(
    {
        "wallet_has_no_room": WALLET_HAS_NO_ROOM,
        "order_moves_from_the_state_that_was_seen": ORDER_MOVED_MEANWHILE,
        "status_is_acted_upon_once": ORDER_MOVED_MEANWHILE,
        "receipt_is_taken_once": ORDER_MOVED_MEANWHILE,
        "day_is_open": NO_DAY_IS_OPEN,
        "one_day_is_open": DAY_MUST_FOLLOW_THE_LAST,
        "day_is_opened_once": DAY_MUST_FOLLOW_THE_LAST,
        "order_is_placed_once": ORDER_MOVED_MEANWHILE,
        "customer_is_registered_once": CUSTOMER_IS_REGISTERED_ALREADY,
        "bank_knows_one_account_by_a_number": BANK_KNOWS_ONE_ACCOUNT_BY_A_NUMBER,
        "payee_must_exist": PAYEE_MUST_EXIST,
        "payee_is_known_already": PAYEE_IS_KNOWN_ALREADY,
        "payee_must_be_approved": PAYEE_MUST_BE_APPROVED,
        "payee_is_being_paid": PAYEE_IS_BEING_PAID,
        "payee_was_paid_meanwhile": PAYEE_WAS_PAID_MEANWHILE,
    }
)
