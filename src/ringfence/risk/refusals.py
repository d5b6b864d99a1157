"""How risk says no. What a rule finds against an order is no refusal but a `Decision`; these are about rules, lists and
rows that cannot be used as they are, for then nothing may be decided.
"""

from ringfence.refusal import Fault, refusal

ORDER_KIND_HAS_NO_DIRECTION = refusal(
    "order_kind_has_no_direction",
    Fault.INPUT,
    en="The risk rules do not say whether money goes in or out with an order of kind {kind!r}.",
    zh="风险规则未说明 {kind!r} 类指令的资金方向。",
)
ORDER_IS_DECIDED_ON_OTHER_FACTS = refusal(
    "order_is_decided_on_other_facts",
    Fault.STATE,
    en="Order {order} is being decided with other facts just now.",
    zh="指令 {order} 正以不同内容接受风险判定。",
)
RISK_RULES_ARE_WRONG = refusal(
    "risk_rules_are_wrong",
    Fault.INPUT,
    en="The risk rules in {file} are wrong at {field}: {problem}.",
    zh="{file} 中的风险规则在 {field} 处有误：{problem}。",
)
RISK_PROFILE_IS_UNKNOWN = refusal(
    "risk_profile_is_unknown",
    Fault.INPUT,
    en="The risk rules have no profile {profile!r}; they have {known}.",
    zh="风险规则中没有 {profile!r} 制度配置；现有：{known}。",
)
JOURNAL_ROW_IS_NO_ORDER_TO_RISK = refusal(
    "journal_row_is_no_order_to_risk",
    Fault.STATE,
    en="Row {sequence} of the journal is not written as orders and decisions are: {problem}.",
    zh="日记账第 {sequence} 行不符合指令或判定的写法：{problem}。",
)
SANCTIONS_LIST_IS_MISSING = refusal(
    "sanctions_list_is_missing",
    Fault.MACHINE,
    en="The file {file} of sanctions list {list} cannot be read: {problem}.",
    zh="无法读取制裁名单 {list} 的文件 {file}：{problem}。",
)
SANCTIONS_LIST_IS_EMPTY = refusal(
    "sanctions_list_is_empty",
    Fault.INPUT,
    en="Sanctions list {list} holds {entries} entries and at least {least} are expected; nobody would be found on it.",
    zh="制裁名单 {list} 仅有 {entries} 条，预期至少 {least} 条；据此查不到任何人。",
)
SANCTIONS_LIST_IS_CUT_SHORT = refusal(
    "sanctions_list_is_cut_short",
    Fault.INPUT,
    en="The file {file} of sanctions list {list} ends before it should: {problem}.",
    zh="制裁名单 {list} 的文件 {file} 提前结束：{problem}。",
)
SANCTIONS_LIST_IS_MALFORMED = refusal(
    "sanctions_list_is_malformed",
    Fault.INPUT,
    en="The file {file} of sanctions list {list} is not what its format demands, at {place}: {problem}.",
    zh="制裁名单 {list} 的文件 {file} 在 {place} 处不符合其格式：{problem}。",
)
SANCTIONS_LIST_HAS_CHANGED = refusal(
    "sanctions_list_has_changed",
    Fault.STATE,
    en="Sanctions list {list} has the SHA-256 {found}; accepted was {pinned}. Look at what changed, then accept it.",
    zh="制裁名单 {list} 的 SHA-256 为 {found}，此前认可的是 {pinned}。请先查看变更再予认可。",
)
SANCTIONS_LISTS_ARE_DESCRIBED_WRONGLY = refusal(
    "sanctions_lists_are_described_wrongly",
    Fault.INPUT,
    en="The description of sanctions lists {file} is wrong at {field}: {problem}.",
    zh="制裁名单说明 {file} 在 {field} 处有误：{problem}。",
)
LIST_OF_THE_RULES_IS_MISSING = refusal(
    "list_of_the_rules_is_missing",
    Fault.MACHINE,
    en="The risk rules in force want the list {list} screened, and this installation does not hold it. No order is"
    " judged.",
    zh="现行风险规则要求筛查名单 {list}，而本系统未载入该名单。所有指令暂不判定。",
)
LIST_HAS_A_NAME_OF_ONE_WORD = refusal(
    "list_has_a_name_of_one_word",
    Fault.INPUT,
    en="{list!r} cannot be the name of a list in a rule pack: it is one word.",
    zh="{list!r} 不能作为规则包中的名单名称：须为不含空格的一个词。",
)
