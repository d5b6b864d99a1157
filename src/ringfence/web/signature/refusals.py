"""How a signed request is declined, in the order in which it is looked at. 401: it does not say who asks."""

from typing import Final

from ringfence.refusal import Fault, refusal

SIGNATURE_CANNOT_BE_READ: Final = refusal(
    "signature_cannot_be_read",
    Fault.IDENTITY,
    en="Signature-Input, Signature or Content-Digest is not in the form of RFC 9421 and RFC 9530: {detail}.",
    zh="Signature-Input、Signature 或 Content-Digest 不符合 RFC 9421 与 RFC 9530 的形式：{detail}。",
)
SIGNATURE_COMPONENT_IS_NOT_KNOWN: Final = refusal(
    "signature_component_is_not_known",
    Fault.IDENTITY,
    en="The signature covers {component}, which this request does not have or this program does not know.",
    zh="签名覆盖了 {component}，但该请求没有此项，或本程序不认识。",
)
SIGNATURE_MUST_COVER: Final = refusal(
    "signature_must_cover",
    Fault.IDENTITY,
    en="The signature does not cover {component}.",
    zh="签名未覆盖 {component}。",
)
SIGNATURE_MUST_SAY: Final = refusal(
    "signature_must_say",
    Fault.IDENTITY,
    en="The signature has no parameter {parameter}, or one that cannot be.",
    zh="签名缺少参数 {parameter}，或其取值无效。",
)
SIGNATURE_MUST_BE_ED25519: Final = refusal(
    "signature_must_be_ed25519",
    Fault.IDENTITY,
    en="Requests are signed by Ed25519 and no other algorithm.",
    zh="请求只能以 Ed25519 签名。",
)
CONTENT_DIGEST_MUST_FIT: Final = refusal(
    "content_digest_must_fit",
    Fault.IDENTITY,
    en="The body is not the one that Content-Digest names by SHA-256 or SHA-512.",
    zh="正文与 Content-Digest 所示的 SHA-256 或 SHA-512 不符。",
)
