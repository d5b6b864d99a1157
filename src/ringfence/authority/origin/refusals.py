"""How an order or a payment is declined because nobody is known to have asked for it."""

from typing import Final

from ringfence.refusal import Fault, refusal

ORDER_MUST_SAY_WHO_ASKED: Final = refusal(
    "order_must_say_who_asked",
    Fault.PERMISSION,
    en="The policy wants to know who asks for this payment: a program signs the request, by a key that was admitted.",
    zh="政策要求表明付款由谁发起：程序须以已获准的密钥对请求签名。",
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
