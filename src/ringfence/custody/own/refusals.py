"""How a customer's own order is declined."""

from typing import Final

from ringfence.refusal import Fault, refusal

CUSTOMER_HAS_NO_PASSKEY_HERE: Final = refusal(
    "customer_has_no_passkey_here",
    Fault.STATE,
    en="A withdrawal is signed by a passkey, and you have none for this address. Make one on the page of passkeys.",
    zh="提现须以通行密钥签名，而您在此地址尚无通行密钥。请在通行密钥页面登记。",
)
ORDER_IS_OF_ANOTHER_DAY: Final = refusal(
    "order_is_of_another_day",
    Fault.STATE,
    en="This order was drawn up for the business day {day}, which is not open any more. Draw it up anew.",
    zh="该指令为营业日 {day} 所拟，该日已不再开启。请重新填写。",
)
