"""How diligence says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

CUSTOMER_MUST_BE_VERIFIED = refusal(
    "customer_must_be_verified",
    Fault.STATE,
    en="The customer's identity is not verified, so there is no wallet that could receive or pay.",
    zh="客户身份尚未核实，没有可收付款的钱包。",
)
CUSTOMER_IS_RESTRICTED = refusal(
    "customer_is_restricted",
    Fault.STATE,
    en="The customer is restricted; due diligence has to be renewed or decided first.",
    zh="客户已被限制；须先更新尽职调查或作出决定。",
)
PAYMENT_IS_ABOVE_THE_TIER = refusal(
    "payment_is_above_the_tier",
    Fault.STATE,
    en="This tier of verification allows {limit} {currency} {period}; {amount} would be above it.",
    zh="该客户等级的{period}限额为 {limit} {currency}，{amount} 超出限额。",
)
BALANCE_WOULD_BE_ABOVE_THE_TIER = refusal(
    "balance_would_be_above_the_tier",
    Fault.STATE,
    en="This tier of verification allows a balance of {limit} {currency}; {amount} would be above it.",
    zh="该客户等级的余额限额为 {limit} {currency}，{amount} 超出限额。",
)
CUSTOMER_HAS_NO_FILE = refusal(
    "customer_has_no_file",
    Fault.UNKNOWN,
    en="There is no due diligence file of that customer.",
    zh="没有该客户的尽职调查档案。",
)
FILE_MOVED_MEANWHILE = refusal(
    "file_moved_meanwhile",
    Fault.STATE,
    en="The due diligence file has moved on meanwhile; look again.",
    zh="尽职调查档案状态已变更，请重新查看。",
)
FILE_MAY_NOT_DO_THAT_NOW = refusal(
    "file_may_not_do_that_now",
    Fault.STATE,
    en="A due diligence file that is {state} does not allow this: {act}.",
    zh="状态为 {state} 的尽职调查档案不能执行：{act}。",
)
IDENTITY_HAS_AN_ACCOUNT_ALREADY = refusal(
    "identity_has_an_account_already",
    Fault.STATE,
    en="This identity has an account in this role already: one account a person and role.",
    zh="该身份在此角色下已有账户：一人一角色一户。",
)
IDENTITY_NUMBER_IS_NEEDED = refusal(
    "identity_number_is_needed",
    Fault.INPUT,
    en="Nobody is verified without a number of identity, or of registration for a firm.",
    zh="没有证件号码（企业为注册号）不能核实身份。",
)
ROLE_OF_A_CUSTOMER_IS_A_WORD = refusal(
    "role_of_a_customer_is_a_word",
    Fault.INPUT,
    en="{role!r} is not a customer's role: small letters, digits and hyphens, at most 20.",
    zh="{role!r} 不是客户角色：应为小写字母、数字和连字符，最多 20 位。",
)
TIER_IS_UNKNOWN = refusal(
    "tier_is_unknown",
    Fault.INPUT,
    en="The regime profile has no tier {tier!r} for a {nature}; it has {known}.",
    zh="监管配置没有适用于 {nature} 的等级 {tier!r}；现有：{known}。",
)
TIER_HAS_LIMITS_IN_ANOTHER_CURRENCY = refusal(
    "tier_has_limits_in_another_currency",
    Fault.STATE,
    en="The tier's limits are in {currency}, the wallet is in {wallet}: it needs a tier without limits.",
    zh="该等级的限额以 {currency} 计，而钱包币种为 {wallet}；须选用无限额的等级。",
)
DILIGENCE_PROFILE_IS_UNKNOWN = refusal(
    "diligence_profile_is_unknown",
    Fault.INPUT,
    en="There are no tiers of due diligence for the profile {profile!r}; there are some for {known}.",
    zh="监管配置 {profile!r} 没有客户等级；现有：{known}。",
)
RISK_CLASS_IS_UNKNOWN = refusal(
    "risk_class_is_unknown",
    Fault.INPUT,
    en="{risk_class!r} is no risk class of a customer: low, medium or high.",
    zh="{risk_class!r} 不是客户风险等级：应为 low、medium 或 high。",
)
DOCUMENT_KIND_IS_UNKNOWN = refusal(
    "document_kind_is_unknown",
    Fault.INPUT,
    en="{kind!r} is no kind of document; the kinds are {known}.",
    zh="{kind!r} 不是证件或资料种类；可用：{known}。",
)
DOCUMENT_DIGEST_IS_MALFORMED = refusal(
    "document_digest_is_malformed",
    Fault.INPUT,
    en="A document is known by the SHA-256 of its scan: 64 hexadecimal digits.",
    zh="资料以扫描件的 SHA-256 标识：64 位十六进制数字。",
)
DOCUMENT_COUNTRY_IS_A_CODE = refusal(
    "document_country_is_a_code",
    Fault.INPUT,
    en="The country of a document is two capital letters (ISO 3166-1).",
    zh="资料签发国家应为两个大写字母（ISO 3166-1）。",
)
DOCUMENT_NUMBER_IS_MALFORMED = refusal(
    "document_number_is_malformed",
    Fault.INPUT,
    en="A number on a document has 3 to 30 letters and digits; spaces and hyphens do not count.",
    zh="资料号码应为 3 至 30 位字母或数字，空格与连字符不计。",
)
DOCUMENT_HAS_EXPIRED = refusal(
    "document_has_expired",
    Fault.INPUT,
    en="The document expired on {expires}; only one that is still good is evidence.",
    zh="该资料已于 {expires} 到期；只有有效资料可作为依据。",
)
PARTY_MUST_BE_NAMED = refusal(
    "party_of_the_file_must_be_named",
    Fault.UNKNOWN,
    en="The file names nobody as {party!r}.",
    zh="档案中没有 {party!r}。",
)
PARTY_IS_NAMED_ALREADY = refusal(
    "party_is_named_already",
    Fault.STATE,
    en="The file has named somebody under this word already.",
    zh="档案已以该名称登记过当事人。",
)
PARTY_IS_A_WORD = refusal(
    "party_is_a_word",
    Fault.INPUT,
    en="{party!r} names no owner: small letters, digits and hyphens, at most 20, and not 'customer'.",
    zh="{party!r} 不能作为所有人代号：应为小写字母、数字和连字符，最多 20 位，且不得为 customer。",
)
OWNER_MUST_BE_NAMED = refusal(
    "owner_must_be_named",
    Fault.UNKNOWN,
    en="The file names no such owner.",
    zh="档案中没有该所有人。",
)
ONLY_A_FIRM_HAS_OWNERS = refusal(
    "only_a_firm_has_owners",
    Fault.INPUT,
    en="Owners are named of a firm; {party!r} is a person.",
    zh="仅企业登记受益所有人；{party!r} 为自然人。",
)
OWNER_OWNS_OR_CONTROLS = refusal(
    "owner_owns_or_controls",
    Fault.INPUT,
    en="An owner has a share above 0 % and up to 100 %, or controls by other means: {known}.",
    zh="所有人须持有大于 0 % 且不超过 100 % 的份额，或以其他方式控制：{known}。",
)
SHARES_MUST_NOT_EXCEED_THE_WHOLE = refusal(
    "shares_must_not_exceed_the_whole",
    Fault.INPUT,
    en="With this owner the shares of {parent!r} would add up to {percent} %.",
    zh="计入该所有人后，{parent!r} 的份额合计将达 {percent} %。",
)
BENEFICIAL_OWNERS_MUST_BE_NAMED = refusal(
    "beneficial_owners_must_be_named",
    Fault.STATE,
    en="Every firm in the chain needs its beneficial owners, down to natural persons.",
    zh="股权链上的每家企业都须识别受益所有人，直至自然人。",
)
EVIDENCE_MUST_BE_COMPLETE = refusal(
    "evidence_must_be_complete",
    Fault.STATE,
    en="The evidence is not complete: everybody named has to be found by the provider and be on no list.",
    zh="依据不完整：所列当事人均须经核验方确认且不在名单上。",
)
COLLECTOR_MAY_NOT_DECIDE = refusal(
    "collector_may_not_decide",
    Fault.PERMISSION,
    en="Whoever took a document of the file does not decide on it.",
    zh="收集资料者不得就该档案作出决定。",
)
PEOPLE_MUST_LIFT_THIS = refusal(
    "people_must_lift_this",
    Fault.PERMISSION,
    en="What a list or a person restricted, people lift; evidence alone does not.",
    zh="因名单或人工决定受限的，须由人员解除，仅凭资料不足。",
)
MATCH_IS_NOT_OPEN = refusal(
    "match_is_not_open",
    Fault.STATE,
    en="No potential match of that party waits for a judgement.",
    zh="该当事人没有待判断的疑似匹配。",
)
VERDICT_IS_UNKNOWN = refusal(
    "verdict_is_unknown",
    Fault.INPUT,
    en="A match is judged 'the same' or 'somebody else'.",
    zh="匹配判断应为 'the same'（本人）或 'somebody else'（他人）。",
)
RESTRICTION_HAS_A_DIRECTION = refusal(
    "restriction_has_a_direction",
    Fault.INPUT,
    en="Somebody restricted may still receive ('in') or neither receive nor pay ('none').",
    zh="受限客户可仍可收款（'in'），或不可收付（'none'）。",
)
IDENTITY_PROVIDER_IS_DOWN = refusal(
    "identity_provider_is_down",
    Fault.MACHINE,
    en="The identity provider {provider} does not answer: {detail}. It is asked again later.",
    zh="身份核验方 {provider} 无应答：{detail}。稍后重试。",
)
IDENTITY_PROVIDER_IS_CONFIGURED_WRONGLY = refusal(
    "identity_provider_is_configured_wrongly",
    Fault.INPUT,
    en="{path} does not describe an identity provider: {detail}.",
    zh="{path} 未正确描述身份核验方：{detail}。",
)
CUSTOMER_WAS_NOT_VERIFIED = refusal(
    "customer_was_not_verified",
    Fault.PERMISSION,
    en="The journal does not say that the customer is verified: {detail}.",
    zh="账簿中没有该客户已核实的记录：{detail}。",
)
ROW_CONTRADICTS_DILIGENCE = refusal(
    "row_contradicts_diligence",
    Fault.STATE,
    en="Row {sequence} of the journal does not keep to what is known of customer {customer}: {because}. It is not"
    " signed.",
    zh="日志第 {sequence} 行与客户 {customer} 的尽职调查不符：{because}。不予签名。",
)

register(
    {
        each.name: each
        for each in (
            CUSTOMER_MUST_BE_VERIFIED,
            CUSTOMER_IS_RESTRICTED,
            CUSTOMER_HAS_NO_FILE,
            FILE_MOVED_MEANWHILE,
            FILE_MAY_NOT_DO_THAT_NOW,
            IDENTITY_HAS_AN_ACCOUNT_ALREADY,
            BENEFICIAL_OWNERS_MUST_BE_NAMED,
            EVIDENCE_MUST_BE_COMPLETE,
            COLLECTOR_MAY_NOT_DECIDE,
            PEOPLE_MUST_LIFT_THIS,
            MATCH_IS_NOT_OPEN,
            OWNER_MUST_BE_NAMED,
        )
    }
    | {
        "identity_has_one_account_a_role": IDENTITY_HAS_AN_ACCOUNT_ALREADY,
        "party_is_named_once": PARTY_IS_NAMED_ALREADY,
        "file_is_opened_once": FILE_MOVED_MEANWHILE,
    }
)
