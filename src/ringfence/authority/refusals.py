"""How authority says no. Those of the first list are raised by the database, under the same name."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.refusal import Fault, Refusal, refusal

SESSION_IS_NOT_VALID: Final = refusal(
    "session_is_not_valid",
    Fault.IDENTITY,
    en="Nobody is signed in with this session: it has ended, was revoked, or never was. Sign in.",
    zh="该会话无效：已结束、已吊销或从未存在。请登录。",
)
SESSION_MUST_EXIST: Final = refusal(
    "session_must_exist", Fault.UNKNOWN, en="There is no such open session.", zh="没有这一有效会话。"
)
CLIENT_IS_NOT_KNOWN: Final = refusal(
    "client_is_not_known",
    Fault.IDENTITY,
    en="The bearer token is not that of an active client.",
    zh="令牌不属于任何有效的接口客户端。",
)
PROPOSAL_MUST_EXIST: Final = refusal(
    "proposal_must_exist", Fault.UNKNOWN, en="There is no such proposal.", zh="没有这一提案。"
)
PERSON_DECIDED_ALREADY: Final = refusal(
    "person_decided_already",
    Fault.STATE,
    en="This person has decided on this proposal already; a decision is made once.",
    zh="此人已就该提案作出决定；每人只决定一次。",
)
PROPOSAL_IS_NOT_OPEN: Final = refusal(
    "proposal_is_not_open",
    Fault.STATE,
    en="The proposal is no longer open: it is complete, rejected or carried out.",
    zh="该提案已不在待批状态：已完成、已否决或已执行。",
)
PROPOSAL_HAS_EXPIRED: Final = refusal(
    "proposal_has_expired",
    Fault.STATE,
    en="The proposal has expired. Make it anew.",
    zh="该提案已过期，请重新提出。",
)
PAYLOAD_WAS_CHANGED: Final = refusal(
    "payload_was_changed",
    Fault.STATE,
    en="What was approved is not what the proposal says: the SHA-256 differs. Read the proposal again.",
    zh="所批准的内容与提案内容的 SHA-256 不一致。请重新阅读提案。",
)
MAKER_MAY_NOT_CHECK: Final = refusal(
    "maker_may_not_check",
    Fault.PERMISSION,
    en="Whoever made a proposal may not approve it. Another person has to.",
    zh="经办人不得复核自己的提案，须由他人复核。",
)
PERSON_LACKS_THE_ROLE: Final = refusal(
    "person_lacks_the_role",
    Fault.PERMISSION,
    en="This person has none of the roles that may do this.",
    zh="此人不具备所需的任何一种角色。",
)
COURSE_HAS_LAPSED: Final = refusal(
    "course_has_lapsed",
    Fault.PERMISSION,
    en="A course that the role requires was never completed or has lapsed; until it is completed again this person"
    " approves nothing by that role.",
    zh="该角色所要求的培训从未完成或已过期；重新完成之前，此人不得以该角色批准。",
)
PASSWORD_MUST_BE_CHANGED_FIRST: Final = refusal(
    "password_must_be_changed_first",
    Fault.PERMISSION,
    en="The password was given by somebody else. Change it first.",
    zh="当前密码由他人设置，请先修改密码。",
)
MAKER_MAY_NOT_MAKE_THIS: Final = refusal(
    "maker_may_not_make_this",
    Fault.PERMISSION,
    en="The policy does not let this maker propose this act.",
    zh="授权政策不允许该经办人提出此类操作。",
)
POLICY_HAS_CHANGED: Final = refusal(
    "policy_has_changed",
    Fault.STATE,
    en="Another policy came into force in between. Propose again under it.",
    zh="期间已有新的授权政策生效，请按新政策重新提出。",
)
POLICY_MUST_EXIST: Final = refusal(
    "policy_must_exist",
    Fault.STATE,
    en="The book has no policy in force, so nobody can say who must approve.",
    zh="该账簿没有生效的授权政策，无法确定由谁批准。",
)
ACT_IS_NOT_IN_THE_POLICY: Final = refusal(
    "act_is_not_in_the_policy",
    Fault.INPUT,
    en="The policy has no rule for the act {act}, so nobody may do it.",
    zh="授权政策没有关于操作 {act} 的规定，任何人不得执行。",
)
APPROVAL_IS_NOT_REQUIRED: Final = refusal(
    "approval_is_not_required",
    Fault.STATE,
    en="The policy asks nobody's approval for this, so there is nothing to propose.",
    zh="授权政策对此不要求任何人批准，无需提案。",
)
PROPOSAL_IS_NOT_COMPLETE: Final = refusal(
    "proposal_is_not_complete",
    Fault.STATE,
    en="The proposal lacks approvals, was carried out already, or is not about this act.",
    zh="该提案尚缺批准、已被执行，或并非针对此操作。",
)
TERMS_ARE_NOT_VALID: Final = refusal(
    "terms_are_not_valid",
    Fault.INPUT,
    en="The proposal's bytes are not the canonical form of proposal/v1, or do not fit the proposal: {detail}",
    zh="提案内容不是 proposal/v1 的规范形式，或与提案不符：{detail}",
)
EVENT_MUST_SAY_WHAT_HAPPENS: Final = refusal(
    "event_must_say_what_happens",
    Fault.STATE,
    en="The journal's event is missing from this append or says something else than what is written.",
    zh="本次追加的日记账中缺少相应事件，或事件内容与写入内容不符。",
)
DECISION_WAS_COUNTED_MEANWHILE: Final = refusal(
    "decision_was_counted_meanwhile",
    Fault.STATE,
    en="Another person decided at the same moment. Try again.",
    zh="另一人同时作出了决定，请重试。",
)
REQUIREMENT_CHANGED_MEANWHILE: Final = refusal(
    "requirement_changed_meanwhile",
    Fault.STATE,
    en="What the policy asks for changed at this moment. Try again.",
    zh="授权政策的要求恰在此刻变化，请重试。",
)
RULE_PACK_MUST_EXIST: Final = refusal(
    "rule_pack_must_exist",
    Fault.STATE,
    en="No risk rules are in force in this book yet.",
    zh="该账簿尚无生效的风险规则。",
)
RULE_PACK_VERSION_MUST_BE_NEXT: Final = refusal(
    "rule_pack_version_must_be_next",
    Fault.STATE,
    en="Other risk rules came into force in between. Propose again.",
    zh="期间已有其他风险规则生效，请重新提出。",
)
RULES_CHANGED_MEANWHILE: Final = refusal(
    "rules_changed_meanwhile",
    Fault.STATE,
    en="Other risk rules came into force at this moment. Try again.",
    zh="风险规则恰在此刻变更，请重试。",
)
ROLES_CONFLICT: Final = refusal(
    "roles_conflict",
    Fault.STATE,
    en="An administrator or auditor holds no other role, and nobody holds two administrations.",
    zh="管理员或审计员不得兼任其他角色，任何人不得兼任两种管理员。",
)
MAKER_MAY_NOT_BE_CHECKER: Final = refusal(
    "maker_may_not_be_checker",
    Fault.STATE,
    en="A treasurer makes payments, so the same person is neither approver nor risk officer, who check them.",
    zh="司库负责经办付款，同一人不得兼任负责复核的审批人或风控专员。",
)
PERSON_MUST_EXIST: Final = refusal(
    "person_must_exist", Fault.UNKNOWN, en="There is no such active person.", zh="没有这一在职人员。"
)
PERSON_ID_MUST_BE_A_WORD: Final = refusal(
    "person_id_must_be_a_word",
    Fault.INPUT,
    en="A login is 2 to 32 small letters, digits, points and hyphens, beginning with a letter.",
    zh="登录名须为 2 至 32 个小写字母、数字、点或连字符，且以字母开头。",
)
PERSON_HAS_A_SHORT_NAME: Final = refusal(
    "person_has_a_short_name",
    Fault.INPUT,
    en="A person's name has 1 to 100 characters.",
    zh="人员姓名须为 1 至 100 个字符。",
)
REASON_MUST_BE_SHORT: Final = refusal(
    "reason_must_be_short",
    Fault.INPUT,
    en="A reason has at most 500 characters.",
    zh="理由最多 500 个字符。",
)
PERSON_IS_A_PERSON_ALREADY: Final = refusal(
    "person_is_a_person_already",
    Fault.STATE,
    en="There is a person or client of that name already.",
    zh="已有同名人员或客户端。",
)
CUSTOMER_LOGIN_IS_ONE_CUSTOMERS: Final = refusal(
    "customer_login_is_one_customers",
    Fault.STATE,
    en="A login is one customer's, for good, and nobody of the staff has it.",
    zh="登录名永久归属一名客户，且不得为员工所用。",
)
BOOK_HAS_ITS_PEOPLE_ALREADY: Final = refusal(
    "book_has_its_people_already",
    Fault.STATE,
    en="The book has its first people already; further ones are proposed and approved.",
    zh="该账簿已有首批人员；新增人员须经提案与批准。",
)
POLICY_VERSION_MUST_BE_NEXT: Final = refusal(
    "policy_version_must_be_next",
    Fault.STATE,
    en="A new policy has the next version and does not begin in the past.",
    zh="新政策的版本号须顺延，且不得从过去生效。",
)
CODE_DOES_NOT_FIT: Final = refusal(
    "code_does_not_fit",
    Fault.IDENTITY,
    en="The code is not one of this moment, or was used already. Wait for the next one.",
    zh="验证码不属于当前时段或已被使用，请等待下一个。",
)
CODE_IS_NEEDED_FIRST: Final = refusal(
    "code_is_needed_first",
    Fault.PERMISSION,
    en="Sign in with a code of the present device, or with a passkey, before you set up another device.",
    zh="更换验证码设备前，请先以现有设备的验证码或通行密钥登录。",
)
CODE_SECRET_MUST_HAVE_20_BYTES: Final = refusal(
    "code_secret_must_have_20_bytes",
    Fault.INPUT,
    en="The secret of a device for codes is 20 bytes, written in base32.",
    zh="验证码设备的密钥须为 20 字节，以 base32 书写。",
)
SIGN_IN_MUST_WAIT: Final = refusal(
    "sign_in_must_wait",
    Fault.IDENTITY,
    en="Too many attempts with this login or from this address. Wait {seconds} seconds.",
    zh="该登录名或该地址尝试次数过多，请等待 {seconds} 秒。",
)

FROM_THE_DATABASE: Final[dict[str, Refusal]] = {
    each.name: each
    for each in (
        SESSION_IS_NOT_VALID,
        SESSION_MUST_EXIST,
        CLIENT_IS_NOT_KNOWN,
        PROPOSAL_MUST_EXIST,
        PERSON_DECIDED_ALREADY,
        PROPOSAL_IS_NOT_OPEN,
        PROPOSAL_HAS_EXPIRED,
        PAYLOAD_WAS_CHANGED,
        MAKER_MAY_NOT_CHECK,
        PERSON_LACKS_THE_ROLE,
        COURSE_HAS_LAPSED,
        PASSWORD_MUST_BE_CHANGED_FIRST,
        MAKER_MAY_NOT_MAKE_THIS,
        POLICY_HAS_CHANGED,
        POLICY_MUST_EXIST,
        ACT_IS_NOT_IN_THE_POLICY,
        APPROVAL_IS_NOT_REQUIRED,
        PROPOSAL_IS_NOT_COMPLETE,
        TERMS_ARE_NOT_VALID,
        EVENT_MUST_SAY_WHAT_HAPPENS,
        DECISION_WAS_COUNTED_MEANWHILE,
        REQUIREMENT_CHANGED_MEANWHILE,
        RULE_PACK_VERSION_MUST_BE_NEXT,
        RULES_CHANGED_MEANWHILE,
        ROLES_CONFLICT,
        MAKER_MAY_NOT_BE_CHECKER,
        PERSON_MUST_EXIST,
        PERSON_ID_MUST_BE_A_WORD,
        PERSON_HAS_A_SHORT_NAME,
        REASON_MUST_BE_SHORT,
        PERSON_IS_A_PERSON_ALREADY,
        CUSTOMER_LOGIN_IS_ONE_CUSTOMERS,
        BOOK_HAS_ITS_PEOPLE_ALREADY,
        POLICY_VERSION_MUST_BE_NEXT,
        SIGN_IN_MUST_WAIT,
    )
}
register(FROM_THE_DATABASE)
register({"client_id_is_a_word": PERSON_ID_MUST_BE_A_WORD})
register({each.name: each for each in (CODE_DOES_NOT_FIT, CODE_IS_NEEDED_FIRST, CODE_SECRET_MUST_HAVE_20_BYTES)})

SIGN_IN_REFUSED: Final = refusal(
    "sign_in_refused",
    Fault.IDENTITY,
    en="Login, password and code do not fit.",
    zh="登录名、密码与验证码不符。",
)
SIGN_IN_IS_BUSY: Final = refusal(
    "sign_in_is_busy",
    Fault.MACHINE,
    en="Too many people sign in at this moment. Try again in some seconds.",
    zh="当前登录人数过多，请数秒后再试。",
)
PASSWORD_IS_TOO_WEAK: Final = refusal(
    "password_is_too_weak",
    Fault.INPUT,
    en="A password has 12 to 128 characters, at least 5 different ones, and does not contain the login; words of this"
    " place, such as 'custody', do not count.",
    zh="密码须为 12 至 128 个字符，至少含 5 种不同字符，且不得包含登录名；“资金存管”等本系统用语不计入长度。",
)
PASSWORD_IS_COMMON: Final = refusal(
    "password_is_common",
    Fault.INPUT,
    en="This password is on the lists by which attackers guess: others chose it before. Take a sentence of your own.",
    zh="该密码出现在攻击者用于猜测的常用密码列表中。请改用一句自己的话。",
)
SCOPE_IS_MISSING: Final = refusal(
    "scope_is_missing",
    Fault.PERMISSION,
    en="The client's token does not reach that far: it lacks {scope}.",
    zh="客户端令牌的权限不足：缺少 {scope}。",
)
CLIENT_MUST_EXIST: Final = refusal(
    "client_must_exist",
    Fault.UNKNOWN,
    en="No program named {client} has a token.",
    zh="没有名为 {client} 且持有令牌的程序。",
)
SCOPE_IS_UNKNOWN: Final = refusal(
    "scope_is_unknown", Fault.INPUT, en="{scope} is not a scope.", zh="{scope} 不是已知的权限范围。"
)
ROLE_IS_UNKNOWN: Final = refusal(
    "role_is_unknown", Fault.INPUT, en="{role} is not a role of a person.", zh="{role} 不是人员角色。"
)
POLICY_IS_NOT_VALID: Final = refusal(
    "policy_is_not_valid", Fault.INPUT, en="The policy is not valid: {detail}", zh="授权政策无效：{detail}"
)
APPROVALS_DO_NOT_SUFFICE: Final = refusal(
    "approvals_do_not_suffice",
    Fault.PERMISSION,
    en="The record shows {count} approvals that hold, and the policy asks for {people}. {detail}",
    zh="记录显示有效批准 {count} 个，政策要求 {people} 个。{detail}",
)
RECORD_CONTRADICTS_ITSELF: Final = refusal(
    "record_contradicts_itself",
    Fault.STATE,
    en="Proposal, approvals and journal do not tell one story: {detail}",
    zh="提案、批准与日记账相互矛盾：{detail}",
)
PROPOSAL_WAS_REJECTED: Final = refusal(
    "proposal_was_rejected",
    Fault.STATE,
    en="The proposal was rejected by {person}.",
    zh="该提案已被 {person} 否决。",
)
CHANGE_MUST_HAVE_A_REASON: Final = refusal(
    "change_must_have_a_reason",
    Fault.INPUT,
    en="Say why, in 1 to {characters} characters.",
    zh="请说明理由（1 至 {characters} 个字符）。",
)
MINIMUM_MUST_NOT_EXCEED_THE_MAXIMUM: Final = refusal(
    "minimum_must_not_exceed_the_maximum",
    Fault.INPUT,
    en="The minimum {minimum} is above the maximum {maximum}.",
    zh="下限 {minimum} 高于上限 {maximum}。",
)
ACCOUNT_MUST_HAVE_ROOM_FOR_RECEIPTS: Final = refusal(
    "account_must_have_room_for_receipts",
    Fault.INPUT,
    en="{account} takes what a bank says has come, so it has no maximum.",
    zh="{account} 须接收银行告知的到账款项，不得设上限。",
)
LIMITS_MUST_CHANGE: Final = refusal(
    "limits_must_change",
    Fault.INPUT,
    en="Account {account} has exactly these limits already.",
    zh="账户 {account} 的限额已是如此。",
)
POOL_MUST_EXIST: Final = refusal(
    "pool_must_exist",
    Fault.UNKNOWN,
    en="No account of the book belongs to the pool {pool}.",
    zh="账簿中没有属于资金池 {pool} 的账户。",
)
PURPOSE_IS_UNKNOWN: Final = refusal(
    "purpose_is_unknown", Fault.INPUT, en="{code} is not the number of a purpose.", zh="{code} 不是用途编号。"
)
MONITOR_MUST_EXIST: Final = refusal(
    "monitor_must_exist", Fault.UNKNOWN, en="There is no monitor {monitor}.", zh="没有监测项 {monitor}。"
)
MONITOR_IS_OFF_ALREADY: Final = refusal(
    "monitor_is_off_already",
    Fault.STATE,
    en="The monitor {monitor} is switched off already.",
    zh="监测项 {monitor} 已停用。",
)
MONITOR_HAS_A_SHORT_NAME: Final = refusal(
    "monitor_has_a_short_name",
    Fault.INPUT,
    en="A monitor's name has 1 to 100 characters.",
    zh="监测项名称须为 1 至 100 个字符。",
)
MONITOR_MUST_WATCH_SOMETHING: Final = refusal(
    "monitor_must_watch_something",
    Fault.INPUT,
    en="A monitor watches an account, the accounts of an owner class, pool, currency and side, or the cover of a pool"
    " in a currency; there is no such thing in this book, or the measure does not fit it.",
    zh="监测项须针对一个账户、某类持有人在某资金池、币种与方向下的账户合计，或某资金池某币种的覆盖额；本账簿中没有此对象，"
    "或度量与之不符。",
)
MONITOR_MUST_HAVE_A_CONDITION: Final = refusal(
    "monitor_must_have_a_condition",
    Fault.INPUT,
    en="A new monitor says below or above what it holds.",
    zh="新监测项须给出下界或上界。",
)
