"""How the edge itself says no. Some have an HTTP status of their own, which is given beside them."""

from typing import Final

from ringfence.refusal import Fault, refusal

NOBODY_IS_SIGNED_IN = refusal(
    "nobody_is_signed_in",
    Fault.IDENTITY,
    en="Sign in first; there is no session, or it has ended.",
    zh="请先登录：没有会话，或会话已结束。",
)
NEW_PASSWORD_IS_NEEDED = refusal(
    "new_password_is_needed",
    Fault.PERMISSION,
    en="The password was given by somebody else; choose a new one first.",
    zh="当前密码由他人设置，请先设置新密码。",
)
ADDRESS_IS_FOR_STAFF = refusal(
    "address_is_for_staff",
    Fault.PERMISSION,
    en="This address is for the staff; a customer's own pages begin at /my.",
    zh="该地址仅供员工使用；客户自己的页面从 /my 开始。",
)
ADDRESS_IS_FOR_CUSTOMERS = refusal(
    "address_is_for_customers",
    Fault.PERMISSION,
    en="This address is for a customer's own login.",
    zh="该地址仅供客户本人登录后使用。",
)
FORM_IS_STALE = refusal(
    "form_is_stale",
    Fault.PERMISSION,
    en="The form was not made for this session, or is too old. Nothing was changed; load the page again.",
    zh="表单不属于本会话或已过期。未作任何更改；请重新载入页面。",
)
COOKIE_DOES_NOT_AUTHORISE = refusal(
    "cookie_does_not_authorise",
    Fault.PERMISSION,
    en="A change over the API needs the header `Authorization: Bearer`; a cookie is not enough.",
    zh="通过 API 作更改须带 `Authorization: Bearer` 请求头；仅有 cookie 不够。",
)
ADDRESS_LEADS_NOWHERE = refusal(
    "address_leads_nowhere",
    Fault.UNKNOWN,
    en="There is nothing at {path}.",
    zh="{path} 处没有内容。",
)
METHOD_IS_NOT_OFFERED = refusal(
    "method_is_not_offered",
    Fault.INPUT,
    en="{path} does not take {method}.",
    zh="{path} 不接受 {method}。",
)
HOST_IS_NOT_OURS = refusal(
    "host_is_not_ours",
    Fault.INPUT,
    en="This program does not answer for the host {host}.",
    zh="本程序不以主机名 {host} 应答。",
)
REQUEST_IS_TOO_LARGE = refusal(
    "request_is_too_large",
    Fault.INPUT,
    en="The request has more than {bytes_max} bytes.",
    zh="请求超过 {bytes_max} 字节。",
)
REQUEST_IS_MALFORMED = refusal(
    "request_is_malformed",
    Fault.INPUT,
    en="The request is not what this address takes: {detail}.",
    zh="请求不符合此地址的要求：{detail}。",
)
METRICS_ARE_FOR_THE_MACHINE = refusal(
    "metrics_are_for_the_machine",
    Fault.PERMISSION,
    en="Metrics are given on this machine, or to a caller who may read them.",
    zh="指标仅供本机或有权读取者使用。",
)
PROGRAM_FAILED = refusal(
    "program_failed",
    Fault.MACHINE,
    en="The program failed, and the failure is recorded as incident {incident}. What was not confirmed may or may not"
    " have happened: look before you repeat it.",
    zh="程序出错，已记录为事件 {incident}。未经确认的操作可能已经或尚未发生：重复之前请先查看。",
)

STATUS: Final = {
    METHOD_IS_NOT_OFFERED.name: 405,
    HOST_IS_NOT_OURS.name: 421,
    REQUEST_IS_TOO_LARGE.name: 413,
    PROGRAM_FAILED.name: 500,
}
"""HTTP statuses that say more than the fault does."""
