"""How a signed request is declined by who knows keys and times, and how a key is."""

from typing import Final

from ringfence.authority.refusals import CLIENT_MUST_EXIST
from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

CLIENT_MUST_SIGN: Final = refusal(
    "client_must_sign",
    Fault.PERMISSION,
    en="This program signs its requests; its bearer token opens nothing.",
    zh="该程序必须对请求签名，其令牌无效。",
)
CLIENT_KEY_IS_NOT_KNOWN: Final = refusal(
    "client_key_is_not_known",
    Fault.IDENTITY,
    en="No active program of this book has a key named {key}.",
    zh="本账簿没有任何有效程序持有名为 {key} 的密钥。",
)
CLIENT_KEY_HAS_EXPIRED: Final = refusal(
    "client_key_has_expired",
    Fault.IDENTITY,
    en="The key {key} has expired. Have another one added.",
    zh="密钥 {key} 已过期，请另行登记新密钥。",
)
SIGNATURE_IS_STALE: Final = refusal(
    "signature_is_stale",
    Fault.IDENTITY,
    en="The request was signed more than {seconds} seconds ago, or is past its `expires`. Sign it anew.",
    zh="该请求的签名已超过 {seconds} 秒，或已过其 `expires` 时间。请重新签名。",
)
SIGNATURE_IS_OF_THE_FUTURE: Final = refusal(
    "signature_is_of_the_future",
    Fault.IDENTITY,
    en="The request was signed more than {seconds} seconds from now. Set the clock right.",
    zh="该请求的签名时间超前 {seconds} 秒以上。请校准时钟。",
)
SIGNATURE_DOES_NOT_FIT: Final = refusal(
    "signature_does_not_fit",
    Fault.IDENTITY,
    en="The signature is not that of the key {key} over this request.",
    zh="签名并非密钥 {key} 对该请求所作。",
)
NONCE_WAS_USED_ALREADY: Final = refusal(
    "nonce_was_used_already",
    Fault.IDENTITY,
    en="A request with this nonce was taken before. To send something again, sign it anew.",
    zh="带有该随机数的请求此前已被受理。如需重发，请重新签名。",
)
CLIENT_KEY_MUST_EXIST: Final = refusal(
    "client_key_must_exist",
    Fault.UNKNOWN,
    en="There is no such key, or it was revoked.",
    zh="没有该密钥，或已吊销。",
)
CLIENT_KEY_MUST_BE_ED25519: Final = refusal(
    "client_key_must_be_ed25519",
    Fault.INPUT,
    en="A program's key is an Ed25519 public key: 32 bytes in base64, or PEM.",
    zh="程序密钥须为 Ed25519 公钥：32 字节的 base64，或 PEM。",
)
CLIENT_KEY_REACHES_WHAT_ITS_CLIENT_DOES: Final = refusal(
    "client_key_reaches_what_its_client_does",
    Fault.INPUT,
    en="A key has at least one scope, and none that its program does not have.",
    zh="密钥至少有一项权限，且不得超出其程序的权限范围。",
)
CLIENT_KEY_MUST_END_WITHIN_TWO_YEARS: Final = refusal(
    "client_key_must_end_within_two_years",
    Fault.INPUT,
    en="A key ends in the future, within two years.",
    zh="密钥须在未来两年之内到期。",
)
CLIENT_KEY_IS_A_KEY_ALREADY: Final = refusal(
    "client_key_is_a_key_already",
    Fault.STATE,
    en="This key is or was one of this book already. Make another.",
    zh="该密钥现为或曾为本账簿的密钥，请另行生成。",
)

PROGRAM_KEY_IS_ADMITTED_ALREADY: Final = refusal(
    "program_key_is_admitted_already",
    Fault.STATE,
    en="The key {key} may ask for payments already.",
    zh="密钥 {key} 已获准发起付款。",
)
PROGRAM_KEY_IS_NOT_ADMITTED: Final = refusal(
    "program_key_is_not_admitted",
    Fault.PERMISSION,
    en="The program may not ask for payments by this key before somebody else has admitted it.",
    zh="该密钥须经他人准许后，程序方可凭其发起付款。",
)

register(
    {
        each.name: each
        for each in (
            CLIENT_MUST_SIGN,
            CLIENT_KEY_MUST_EXIST,
            CLIENT_KEY_REACHES_WHAT_ITS_CLIENT_DOES,
            CLIENT_KEY_MUST_END_WITHIN_TWO_YEARS,
            CLIENT_KEY_IS_A_KEY_ALREADY,
            PROGRAM_KEY_IS_NOT_ADMITTED,
        )
    }
)
register({"client_key_is_unique": CLIENT_KEY_IS_A_KEY_ALREADY, "client_must_exist": CLIENT_MUST_EXIST})
