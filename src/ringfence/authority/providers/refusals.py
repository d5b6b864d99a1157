"""How single sign-on says no. Those of the first list are raised by the database, under the same name."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

PROVIDER_MUST_EXIST: Final = refusal(
    "provider_must_exist",
    Fault.UNKNOWN,
    en="No identity provider of this name is registered for the book, or it was removed.",
    zh="本账簿未登记这一身份提供方，或已将其移除。",
)
PROVIDER_MUST_BE_A_WORD: Final = refusal(
    "provider_must_be_a_word",
    Fault.INPUT,
    en="An identity provider's name is a word of a to z, 0 to 9 and hyphens, up to 32 characters.",
    zh="身份提供方的名称须由小写字母、数字与连字符组成，至多 32 个字符。",
)
PROVIDER_ISSUER_MUST_BE_HTTPS: Final = refusal(
    "provider_issuer_must_be_https",
    Fault.INPUT,
    en="An issuer is an https address without query and fragment; http is for this machine only.",
    zh="签发者须为不含查询与片段的 https 地址；http 仅限本机。",
)
PROVIDER_HAS_A_CLIENT: Final = refusal(
    "provider_has_a_client",
    Fault.INPUT,
    en="The client id that the provider gave has 1 to 200 characters.",
    zh="身份提供方分配的客户端标识须为 1 至 200 个字符。",
)
PROVIDER_SUBJECT_IS_A_CLAIM: Final = refusal(
    "provider_subject_is_a_claim",
    Fault.INPUT,
    en="The claim that names a person is a word such as sub or oid.",
    zh="用于识别人员的声明须为 sub 或 oid 之类的词。",
)
PROVIDER_KEY_IS_USABLE: Final = refusal(
    "provider_key_is_usable",
    Fault.INPUT,
    en="A provider has 1 to 16 signing keys: ES256, or RS256 of 2048 to 4096 bits with exponent 65537.",
    zh="身份提供方须有 1 至 16 个签名密钥：ES256，或 2048 至 4096 位、指数 65537 的 RS256。",
)
PROVIDER_KEY_IS_NOT_KNOWN: Final = refusal(
    "provider_key_is_not_known",
    Fault.STATE,
    en="The provider signed with a key that has not been approved here. If it has new keys, people have to approve them"
    " first; sign in another way meanwhile.",
    zh="身份提供方所用的签名密钥未经本账簿批准。如其更换了密钥，须先经批准；请暂用其他方式登录。",
)
ID_TOKEN_IS_NOT_VALID: Final = refusal(
    "id_token_is_not_valid",
    Fault.PERMISSION,
    en="What the provider said is not a valid ID token: {detail}.",
    zh="身份提供方的应答不是有效的 ID 令牌：{detail}。",
)
ID_TOKEN_ALGORITHM_IS_NOT_ALLOWED: Final = refusal(
    "id_token_algorithm_is_not_allowed",
    Fault.PERMISSION,
    en="An ID token is signed by ES256 or RS256, as its key says; this one is not.",
    zh="ID 令牌须按其密钥以 ES256 或 RS256 签名；此令牌不符合。",
)
ID_TOKEN_SIGNATURE_DOES_NOT_VERIFY: Final = refusal(
    "id_token_signature_does_not_verify",
    Fault.PERMISSION,
    en="The ID token's signature is not that of the provider's key.",
    zh="ID 令牌的签名不是该身份提供方密钥所作。",
)
ID_TOKEN_IS_OF_ANOTHER_ISSUER: Final = refusal(
    "id_token_is_of_another_issuer",
    Fault.PERMISSION,
    en="The ID token is of another issuer than this provider.",
    zh="ID 令牌由其他签发者签发，并非该身份提供方。",
)
ID_TOKEN_IS_FOR_ANOTHER_AUDIENCE: Final = refusal(
    "id_token_is_for_another_audience",
    Fault.PERMISSION,
    en="The ID token was issued for another program than this one.",
    zh="ID 令牌是为其他程序签发的。",
)
ID_TOKEN_IS_OUT_OF_DATE: Final = refusal(
    "id_token_is_out_of_date",
    Fault.PERMISSION,
    en="The ID token is not of now: it has expired, is too old, or is not yet good. If it happens again, compare the"
    " clocks.",
    zh="ID 令牌不在有效时间内：已过期、过旧或尚未生效。若再次发生，请核对时钟。",
)
PROVIDER_ASKED_TOO_LITTLE: Final = refusal(
    "provider_asked_too_little",
    Fault.PERMISSION,
    en="The provider did not authenticate the person as strongly as is asked here (acr).",
    zh="身份提供方的认证强度未达到本处要求（acr）。",
)
NONCE_IS_NOT_OURS: Final = refusal(
    "nonce_is_not_ours",
    Fault.PERMISSION,
    en="The ID token answers a question that was not asked here, or not of this provider (nonce).",
    zh="ID 令牌所答复的请求并非由本处向该身份提供方发出（nonce）。",
)
NONCE_IS_TOO_OLD: Final = refusal(
    "nonce_is_too_old",
    Fault.IDENTITY,
    en="Signing in took longer than ten minutes. Begin again.",
    zh="登录耗时超过十分钟，请重新开始。",
)
IDENTITY_IS_NOT_BOUND: Final = refusal(
    "identity_is_not_bound",
    Fault.IDENTITY,
    en="The account at the provider is not that of a person here. Sign in another way and bind it first.",
    zh="该身份提供方账户未与本处任何人员绑定。请先以其他方式登录并绑定。",
)
IDENTITY_IS_OF_ITS_MAKER: Final = refusal(
    "identity_is_of_its_maker",
    Fault.PERMISSION,
    en="A person binds an account of an identity provider for nobody else.",
    zh="任何人只能为自己绑定身份提供方账户。",
)
IDENTITY_IS_BOUND_ALREADY: Final = refusal(
    "identity_is_bound_already",
    Fault.STATE,
    en="This account of the provider is bound to a person already.",
    zh="该身份提供方账户已与人员绑定。",
)
PERSON_IS_BOUND_THERE_ALREADY: Final = refusal(
    "person_is_bound_there_already",
    Fault.STATE,
    en="This person has an account bound at this provider already. Release it first.",
    zh="此人已绑定该身份提供方的一个账户，请先解除。",
)
IDENTITY_MUST_EXIST: Final = refusal(
    "identity_must_exist",
    Fault.UNKNOWN,
    en="This person has no account bound at this provider.",
    zh="此人在该身份提供方没有已绑定的账户。",
)
SINGLE_SIGN_ON_APPROVES_NOTHING: Final = refusal(
    "single_sign_on_approves_nothing",
    Fault.PERMISSION,
    en="A session opened by single sign-on approves nothing by itself. Sign the approval with a passkey.",
    zh="以单点登录开启的会话本身不能作出批准，请以通行密钥签署。",
)

register(
    {
        each.name: each
        for each in (
            PROVIDER_MUST_EXIST,
            PROVIDER_MUST_BE_A_WORD,
            PROVIDER_ISSUER_MUST_BE_HTTPS,
            PROVIDER_HAS_A_CLIENT,
            PROVIDER_SUBJECT_IS_A_CLAIM,
            PROVIDER_KEY_IS_USABLE,
            PROVIDER_KEY_IS_NOT_KNOWN,
            ID_TOKEN_IS_NOT_VALID,
            ID_TOKEN_ALGORITHM_IS_NOT_ALLOWED,
            ID_TOKEN_SIGNATURE_DOES_NOT_VERIFY,
            ID_TOKEN_IS_OF_ANOTHER_ISSUER,
            ID_TOKEN_IS_FOR_ANOTHER_AUDIENCE,
            ID_TOKEN_IS_OUT_OF_DATE,
            PROVIDER_ASKED_TOO_LITTLE,
            NONCE_IS_NOT_OURS,
            NONCE_IS_TOO_OLD,
            IDENTITY_IS_NOT_BOUND,
            IDENTITY_IS_OF_ITS_MAKER,
            IDENTITY_IS_BOUND_ALREADY,
            PERSON_IS_BOUND_THERE_ALREADY,
            IDENTITY_MUST_EXIST,
            SINGLE_SIGN_ON_APPROVES_NOTHING,
        )
    }
)

PROVIDER_SETTINGS_ARE_WRONG: Final = refusal(
    "provider_settings_are_wrong",
    Fault.INPUT,
    en="{path} does not say which identity providers there are: {detail}.",
    zh="{path} 未能说明身份提供方：{detail}。",
)
PROVIDER_IS_NOT_SET_UP: Final = refusal(
    "provider_is_not_set_up",
    Fault.UNKNOWN,
    en="This installation's settings name no identity provider called {provider}, or another issuer or client than"
    " people approved.",
    zh="本安装的设置中没有名为 {provider} 的身份提供方，或其签发者、客户端与经批准的不同。",
)
PROVIDER_IS_UNREACHABLE: Final = refusal(
    "provider_is_unreachable",
    Fault.MACHINE,
    en="The identity provider {provider} does not answer as it should: {detail}. Sign in another way, or later.",
    zh="身份提供方 {provider} 未正常应答：{detail}。请以其他方式登录，或稍后再试。",
)
PROVIDER_DECLINED: Final = refusal(
    "provider_declined",
    Fault.PERMISSION,
    en="The identity provider declined: {code}.",
    zh="身份提供方拒绝：{code}。",
)
ANSWER_IS_OF_ANOTHER_PROVIDER: Final = refusal(
    "answer_is_of_another_provider",
    Fault.PERMISSION,
    en="The answer is not from the provider that was asked. Nothing of it was used.",
    zh="该应答并非来自所询问的身份提供方，未予采用。",
)
SIGN_IN_WAS_NOT_BEGUN_HERE: Final = refusal(
    "sign_in_was_not_begun_here",
    Fault.PERMISSION,
    en="This browser did not begin this sign-in, or began another one since. Begin again.",
    zh="此次登录不是由本浏览器发起，或其后又发起了另一次。请重新开始。",
)
