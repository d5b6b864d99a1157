"""How passkeys say no. All but the last four are raised by the database as well, under the same name."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

PASSKEY_IS_NOT_KNOWN: Final = refusal(
    "passkey_is_not_known",
    Fault.IDENTITY,
    en="This passkey is not enrolled here, was revoked, or is of somebody who left.",
    zh="该通行密钥未在此登记、已吊销，或属于已离职人员。",
)
PASSKEY_MUST_EXIST: Final = refusal(
    "passkey_must_exist", Fault.UNKNOWN, en="There is no such passkey in use.", zh="没有这一在用的通行密钥。"
)
ASSERTION_IS_NOT_VALID: Final = refusal(
    "assertion_is_not_valid",
    Fault.INPUT,
    en="What the passkey said is not an assertion for this place: {detail}.",
    zh="通行密钥的应答不是对本站的有效断言：{detail}。",
)
CHALLENGE_IS_NOT_OURS: Final = refusal(
    "challenge_is_not_ours",
    Fault.IDENTITY,
    en="The passkey answered a challenge that was not given here.",
    zh="通行密钥应答的质询并非由本站发出。",
)
CHALLENGE_IS_TOO_OLD: Final = refusal(
    "challenge_is_too_old",
    Fault.IDENTITY,
    en="The page was open for more than five minutes. Load it again and try once more.",
    zh="页面已打开超过五分钟，请重新载入后再试。",
)
CHALLENGE_WAS_USED: Final = refusal(
    "challenge_was_used",
    Fault.IDENTITY,
    en="Somebody signed in with this answer already; it is good once.",
    zh="该应答已用于登录，仅可使用一次。",
)
CHALLENGE_DOES_NOT_FIT: Final = refusal(
    "challenge_does_not_fit",
    Fault.PERMISSION,
    en="The passkey signed something else than this: the challenge differs. Nothing is approved.",
    zh="通行密钥所签并非此内容：质询不一致，未作任何批准。",
)
ORIGIN_IS_NOT_OURS: Final = refusal(
    "origin_is_not_ours",
    Fault.PERMISSION,
    en="The passkey was used on a page of another address.",
    zh="通行密钥是在其他地址的页面上使用的。",
)
PAGE_WAS_EMBEDDED: Final = refusal(
    "page_was_embedded",
    Fault.PERMISSION,
    en="The passkey was used in a page inside another page; it counts only on a page of its own.",
    zh="通行密钥是在嵌入其他页面的页面中使用的；须在独立页面上使用。",
)
USER_WAS_NOT_VERIFIED: Final = refusal(
    "user_was_not_verified",
    Fault.PERMISSION,
    en="The device did not verify who uses it. Set a PIN, finger or face for the passkey and try again.",
    zh="设备未验证使用者身份。请为通行密钥设置 PIN、指纹或面容后再试。",
)
PASSKEY_SIGNATURE_DOES_NOT_VERIFY: Final = refusal(
    "passkey_signature_does_not_verify",
    Fault.PERMISSION,
    en="The signature is not that of the enrolled passkey over these bytes.",
    zh="该签名不是已登记通行密钥对这些字节所作。",
)
PASSKEY_COUNTER_WENT_BACK: Final = refusal(
    "passkey_counter_went_back",
    Fault.PERMISSION,
    en="The passkey counts fewer uses than before: there may be a copy of it. Revoke it and tell a security"
    " administrator.",
    zh="通行密钥的计数小于此前记录，可能已被复制。请吊销该密钥并告知安全管理员。",
)
PASSKEY_IS_SOMEBODY_ELSES: Final = refusal(
    "passkey_is_somebody_elses",
    Fault.PERMISSION,
    en="The passkey is not one of the person who is signed in.",
    zh="该通行密钥不属于当前登录人。",
)
PASSKEY_MUST_WAIT: Final = refusal(
    "passkey_must_wait",
    Fault.STATE,
    en="The passkey was enrolled too short a time ago to approve anything; it signs in, and waits.",
    zh="该通行密钥登记时间过短，暂不能用于批准；可用于登录，请等待。",
)
APPROVAL_MUST_BE_SIGNED: Final = refusal(
    "approval_must_be_signed",
    Fault.PERMISSION,
    en="The policy wants this approval signed by a passkey; a password is not enough.",
    zh="授权政策要求此项批准须以通行密钥签名；仅凭密码不够。",
)
PASSKEY_IS_OF_ITS_MAKER: Final = refusal(
    "passkey_is_of_its_maker",
    Fault.PERMISSION,
    en="A person enrols a passkey for nobody else.",
    zh="任何人只能为自己登记通行密钥。",
)
PASSKEY_MUST_BE_ES256: Final = refusal(
    "passkey_must_be_es256",
    Fault.INPUT,
    en="The device's key is not of the kind ES256 (ECDSA over P-256), which every passkey can be.",
    zh="该设备的密钥不是 ES256（P-256 上的 ECDSA）；任何通行密钥均支持此算法。",
)
PASSKEY_IS_ENROLLED_ALREADY: Final = refusal(
    "passkey_is_enrolled_already",
    Fault.STATE,
    en="This passkey is enrolled already, or was once.",
    zh="该通行密钥已登记或曾经登记。",
)
PASSKEY_HAS_A_SHORT_LABEL: Final = refusal(
    "passkey_has_a_short_label",
    Fault.INPUT,
    en="A passkey's name has 1 to 60 characters.",
    zh="通行密钥的名称须为 1 至 60 个字符。",
)

register(
    {
        each.name: each
        for each in (
            PASSKEY_IS_NOT_KNOWN,
            PASSKEY_MUST_EXIST,
            ASSERTION_IS_NOT_VALID,
            CHALLENGE_IS_NOT_OURS,
            CHALLENGE_IS_TOO_OLD,
            CHALLENGE_WAS_USED,
            CHALLENGE_DOES_NOT_FIT,
            ORIGIN_IS_NOT_OURS,
            PAGE_WAS_EMBEDDED,
            USER_WAS_NOT_VERIFIED,
            PASSKEY_SIGNATURE_DOES_NOT_VERIFY,
            PASSKEY_COUNTER_WENT_BACK,
            PASSKEY_IS_SOMEBODY_ELSES,
            PASSKEY_MUST_WAIT,
            APPROVAL_MUST_BE_SIGNED,
            PASSKEY_IS_OF_ITS_MAKER,
            PASSKEY_MUST_BE_ES256,
            PASSKEY_IS_ENROLLED_ALREADY,
            PASSKEY_HAS_A_SHORT_LABEL,
        )
    }
)

REGISTRATION_IS_NOT_VALID: Final = refusal(
    "registration_is_not_valid",
    Fault.INPUT,
    en="What the device said of a new passkey does not hold: {detail}.",
    zh="设备关于新通行密钥的应答不成立：{detail}。",
)
PASSKEYS_NEED_A_HOST_NAME: Final = refusal(
    "passkeys_need_a_host_name",
    Fault.STATE,
    en="Passkeys are for a host name, and {host} is an address of numbers. On this machine, open"
    " http://localhost instead.",
    zh="通行密钥须与主机名绑定，而 {host} 是数字地址。在本机请改用 http://localhost 打开。",
)
PASSKEY_ANSWER_IS_NOT_BASE64URL: Final = refusal(
    "passkey_answer_is_not_base64url",
    Fault.INPUT,
    en="What a passkey says is given as base64url, at most {bytes_max} bytes; {field} is not.",
    zh="通行密钥的应答须为 base64url 编码，至多 {bytes_max} 字节；{field} 不符合。",
)
SIGNATURE_OF_AN_APPROVAL_FAILS: Final = refusal(
    "signature_of_an_approval_fails",
    Fault.PERMISSION,
    en="The signature of {person} under the approval does not hold: {because}",
    zh="{person} 的批准签名不成立：{because}",
)
