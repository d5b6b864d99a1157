"""How an order or a payment is declined because nobody is known to have asked for it."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

ORDER_MUST_SAY_WHO_ASKED: Final = refusal(
    "order_must_say_who_asked",
    Fault.PERMISSION,
    en="The policy wants to know who asks for this payment: a program signs the request by a key that was admitted, a"
    " customer signs the order by a passkey.",
    zh="政策要求表明付款由谁发起：程序须以已获准的密钥对请求签名，客户须以通行密钥对指令签名。",
)
ORIGIN_IS_NOT_ACCEPTED: Final = refusal(
    "origin_is_not_accepted",
    Fault.PERMISSION,
    en="By the policy this payment may not be asked for by {asked_by}.",
    zh="依据政策，该付款不得由 {asked_by} 发起。",
)
SIGNED_ORDER_IS_NO_ORIGIN: Final = refusal(
    "signed_order_is_no_origin",
    Fault.INPUT,
    en="What was signed does not show who asked for the payment: {because}.",
    zh="签名内容不足以表明付款由谁发起：{because}。",
)
SIGNED_ORDER_NEEDS_A_SALT: Final = refusal(
    "signed_order_needs_a_salt",
    Fault.INPUT,
    en="A signed payment order has a `salt` of 22 to 64 letters, digits, hyphens or underscores: the digest of its body"
    " is kept in the journal, and must tell nobody whose account it names.",
    zh="签名的付款指令须含 `salt`（22 至 64 个字母、数字、连字符或下划线）：其正文摘要记入账簿，不得让人推知收款账户。",
)
PAYMENT_LACKS_ITS_ORIGIN: Final = refusal(
    "payment_lacks_its_origin",
    Fault.PERMISSION,
    en="Nobody is known to have asked for this payment: {because}.",
    zh="无法证实该付款由谁发起：{because}。",
)
SOMETHING_ELSE_WAS_ASKED_FOR: Final = refusal(
    "something_else_was_asked_for",
    Fault.PERMISSION,
    en="What was asked for is not what is to be paid: {field} differs.",
    zh="所请求的与将支付的不一致：{field} 不同。",
)
MANDATE_IS_NOT_VALID: Final = refusal(
    "mandate_is_not_valid",
    Fault.INPUT,
    en="The mandate is not valid: {detail}.",
    zh="该委托书无效：{detail}。",
)
MANDATE_MUST_EXIST: Final = refusal(
    "mandate_must_exist",
    Fault.UNKNOWN,
    en="The customer has no such mandate, or has revoked it.",
    zh="该客户没有此委托书，或已将其撤销。",
)
MANDATE_IS_ANOTHER_PROGRAMS: Final = refusal(
    "mandate_is_another_programs",
    Fault.PERMISSION,
    en="The mandate is for another program.",
    zh="该委托书授予的是另一程序。",
)
MANDATE_WAS_REVOKED: Final = refusal(
    "mandate_was_revoked",
    Fault.STATE,
    en="The customer has revoked the mandate.",
    zh="客户已撤销该委托书。",
)
MANDATE_HAS_EXPIRED: Final = refusal(
    "mandate_has_expired",
    Fault.STATE,
    en="The mandate has expired.",
    zh="该委托书已到期。",
)
MANDATE_IS_NOT_FOR_THIS: Final = refusal(
    "mandate_is_not_for_this",
    Fault.PERMISSION,
    en="The mandate does not allow orders of this kind, or in this currency.",
    zh="该委托书不允许此类指令或此币种。",
)
MANDATE_CAP_IS_EXCEEDED: Final = refusal(
    "mandate_cap_is_exceeded",
    Fault.PERMISSION,
    en="The order is above what the mandate allows for one.",
    zh="指令金额超出委托书的单笔上限。",
)
MANDATE_PERIOD_CAP_IS_EXCEEDED: Final = refusal(
    "mandate_period_cap_is_exceeded",
    Fault.STATE,
    en="With this order, more would have been ordered in the mandate's period than it allows.",
    zh="加上该指令，本期累计金额将超出委托书的期间上限。",
)
MANDATE_DOES_NOT_NAME_THE_PAYEE: Final = refusal(
    "mandate_does_not_name_the_payee",
    Fault.PERMISSION,
    en="The mandate does not name who would get the money.",
    zh="该委托书未列明此收款人。",
)
MANDATE_EXPIRES_WITHIN_FIVE_YEARS: Final = refusal(
    "mandate_expires_within_five_years",
    Fault.INPUT,
    en="A mandate expires in the future, within five years.",
    zh="委托书须在未来五年之内到期。",
)
MANDATE_IS_GIVEN_ONCE: Final = refusal(
    "mandate_is_given_once",
    Fault.STATE,
    en="This mandate was given already.",
    zh="该委托书此前已签署。",
)

register(
    {
        each.name: each
        for each in (
            MANDATE_MUST_EXIST,
            MANDATE_IS_ANOTHER_PROGRAMS,
            MANDATE_WAS_REVOKED,
            MANDATE_HAS_EXPIRED,
            MANDATE_IS_NOT_FOR_THIS,
            MANDATE_CAP_IS_EXCEEDED,
            MANDATE_PERIOD_CAP_IS_EXCEEDED,
            MANDATE_EXPIRES_WITHIN_FIVE_YEARS,
            MANDATE_IS_GIVEN_ONCE,
        )
    }
)
