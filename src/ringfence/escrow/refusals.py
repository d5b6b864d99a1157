"""How escrow says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

DOCUMENT_IS_NOT_JSON = refusal(
    "document_is_not_json",
    Fault.INPUT,
    en="The agreement is not JSON that says one thing only: {detail}.",
    zh="协议不是含义唯一的 JSON：{detail}。",
)
CONDITION_IS_NOT_VALID = refusal(
    "condition_is_not_valid",
    Fault.INPUT,
    en="At {place} there is no condition that can be evaluated: {detail}.",
    zh="{place} 处不是可求值的条件：{detail}。",
)
AGREEMENT_IS_NOT_VALID = refusal(
    "agreement_is_not_valid",
    Fault.INPUT,
    en="The agreement is not valid at {place}: {detail}.",
    zh="协议在 {place} 处无效：{detail}。",
)
AGREEMENT_ID_ALREADY_HAS_OTHER_CONTENT = refusal(
    "agreement_id_already_has_other_content",
    Fault.STATE,
    en="Agreement {agreement} was proposed with other content.",
    zh="协议 {agreement} 已以不同内容提出。",
)
AGREEMENT_ID_IS_AN_ORDERS = refusal(
    "agreement_id_is_an_orders",
    Fault.INPUT,
    en="The id of the agreement is that of an order; give it one of its own.",
    zh="协议编号与已有指令相同；请另用编号。",
)
AGREEMENT_MUST_EXPIRE_LATER = refusal(
    "agreement_must_expire_later",
    Fault.INPUT,
    en="The agreement would expire at {expires_at}, which is not in the future.",
    zh="协议到期时间 {expires_at} 不在将来。",
)
AGREEMENT_MUST_EXIST = refusal(
    "agreement_must_exist",
    Fault.UNKNOWN,
    en="There is no escrow agreement {agreement}.",
    zh="没有担保协议 {agreement}。",
)
TRANCHE_MUST_EXIST = refusal(
    "tranche_must_exist",
    Fault.UNKNOWN,
    en="The agreement has no tranche {tranche}.",
    zh="协议没有分期 {tranche}。",
)
AGREEMENT_IS_NOT_IN_FORCE = refusal(
    "agreement_is_not_in_force",
    Fault.STATE,
    en="The agreement is not in force: it waits for approval, or has ended.",
    zh="协议未生效：待审批或已结束。",
)
AGREEMENT_IS_NOT_WAITING = refusal(
    "agreement_is_not_waiting",
    Fault.STATE,
    en="The agreement does not wait for approval any more.",
    zh="协议已不在待审批状态。",
)
TRANCHE_HAS_ENDED = refusal(
    "tranche_has_ended",
    Fault.STATE,
    en="The tranche was released or returned already.",
    zh="该分期已放款或已退回。",
)
RELEASE_IS_NOT_ALLOWED = refusal(
    "release_is_not_allowed",
    Fault.STATE,
    en="Tranche {tranche} may not be released now; what is true (+) and what is not (-): {why}.",
    zh="分期 {tranche} 现在不能放款；成立（+）与不成立（-）：{why}。",
)
RETURN_IS_NOT_ALLOWED = refusal(
    "return_is_not_allowed",
    Fault.STATE,
    en="Tranche {tranche} may not be returned now; what is true (+) and what is not (-): {why}.",
    zh="分期 {tranche} 现在不能退回；成立（+）与不成立（-）：{why}。",
)
FACTS_HAVE_CHANGED_MEANWHILE = refusal(
    "facts_have_changed_meanwhile",
    Fault.STATE,
    en="Somebody said something about the agreement meanwhile, or a date passed; look again.",
    zh="期间有人就协议作出表示，或已过某一日期；请重新查看。",
)
AMOUNT_NEEDS_APPROVAL = refusal(
    "amount_needs_approval",
    Fault.STATE,
    en="The policy asks people to approve this amount.",
    zh="依政策，该金额须经人员审批。",
)
PROPOSAL_IS_ABOUT_SOMETHING_ELSE = refusal(
    "proposal_is_about_something_else",
    Fault.STATE,
    en="What people approved is not this agreement, tranche or amount.",
    zh="审批的并非此协议、分期或金额。",
)
PARTY_MUST_BE_NAMED = refusal(
    "party_must_be_named",
    Fault.PERMISSION,
    en="The agreement does not name this party for that.",
    zh="协议未指定该当事方作此表示。",
)
PARTY_MUST_SPEAK_FOR_ITSELF = refusal(
    "party_must_speak_for_itself",
    Fault.PERMISSION,
    en="Who asks is not this party. A person speaks for himself, a program for itself and for customers.",
    zh="请求者并非该当事方。人员只代表本人，程序代表自身及客户。",
)
MILESTONE_IS_APPROVED_ALREADY = refusal(
    "milestone_is_approved_already",
    Fault.STATE,
    en="This party has approved the milestone already.",
    zh="该当事方已批准此节点。",
)
CLAIM_IS_OPEN_ALREADY = refusal(
    "claim_is_open_already",
    Fault.STATE,
    en="A claim with this id was opened already.",
    zh="该编号的争议已提出。",
)
CLAIM_MUST_BE_OPEN = refusal(
    "claim_must_be_open",
    Fault.STATE,
    en="There is no such claim on the agreement, or it is settled already.",
    zh="协议没有该争议，或已裁定。",
)
SETTLEMENT_MUST_FIT_THE_TRANCHE = refusal(
    "settlement_must_fit_the_tranche",
    Fault.INPUT,
    en="A settlement gives the payees between nothing and the whole tranche.",
    zh="裁定给收款方的金额应在零与该分期总额之间。",
)
MONEY_MUST_BE_WHAT_IS_SAID = refusal(
    "money_must_be_what_is_said",
    Fault.STATE,
    en="The rows that hold or move the money are not what the event says. Nothing was written.",
    zh="冻结或划转资金的记录与事件所述不符。未写入任何内容。",
)
REASON_OF_A_CLAIM_MUST_BE_SHORT = refusal(
    "reason_of_a_claim_must_be_short",
    Fault.INPUT,
    en="A claim has a reason of 1 to {characters} characters.",
    zh="争议须有 1 至 {characters} 个字符的理由。",
)
PARTY_MUST_SIGN = refusal(
    "party_must_sign",
    Fault.PERMISSION,
    en="A customer speaks as a party by a passkey, over exactly these words. Nothing was written.",
    zh="客户作为当事方发言须以通行密钥对这些内容签名。未写入任何内容。",
)
ROW_CONTRADICTS_ITS_AGREEMENT = refusal(
    "row_contradicts_its_agreement",
    Fault.STATE,
    en="Row {sequence} of the journal does not keep escrow agreement {agreement}: {because}. It is not signed.",
    zh="日志第 {sequence} 行不符合担保协议 {agreement}：{because}。不予签名。",
)

register(
    {
        "agreement_is_proposed_once": AGREEMENT_ID_ALREADY_HAS_OTHER_CONTENT,
        "agreement_id_is_an_orders": AGREEMENT_ID_IS_AN_ORDERS,
        "agreement_must_exist": AGREEMENT_MUST_EXIST,
        "tranche_must_exist": TRANCHE_MUST_EXIST,
        "agreement_is_not_in_force": AGREEMENT_IS_NOT_IN_FORCE,
        "agreement_is_not_waiting": AGREEMENT_IS_NOT_WAITING,
        "agreement_must_expire_later": AGREEMENT_MUST_EXPIRE_LATER,
        "tranche_has_ended": TRANCHE_HAS_ENDED,
        "facts_have_changed_meanwhile": FACTS_HAVE_CHANGED_MEANWHILE,
        "amount_needs_approval": AMOUNT_NEEDS_APPROVAL,
        "proposal_is_about_something_else": PROPOSAL_IS_ABOUT_SOMETHING_ELSE,
        "party_must_be_named": PARTY_MUST_BE_NAMED,
        "party_must_sign": PARTY_MUST_SIGN,
        "party_must_speak_for_itself": PARTY_MUST_SPEAK_FOR_ITSELF,
        "milestone_is_approved_already": MILESTONE_IS_APPROVED_ALREADY,
        "claim_is_open_already": CLAIM_IS_OPEN_ALREADY,
        "claim_must_be_open": CLAIM_MUST_BE_OPEN,
        "settlement_must_fit_the_tranche": SETTLEMENT_MUST_FIT_THE_TRANCHE,
        "money_must_be_what_is_said": MONEY_MUST_BE_WHAT_IS_SAID,
    }
)
