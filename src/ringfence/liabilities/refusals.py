"""How the proof of liabilities says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

LIABILITY_IS_NOT_UNSIGNED_64_BIT = refusal(
    "liability_is_not_unsigned_64_bit",
    Fault.INPUT,
    en="An amount in the tree of liabilities is an unsigned 64-bit number of minor units; {amount} is not.",
    zh="负债树中的金额须为无符号 64 位最小货币单位整数；{amount} 不符。",
)
LIABILITY_SUM_OVERFLOWS = refusal(
    "liability_sum_overflows",
    Fault.INPUT,
    en="{left} and {right} add up to more than an unsigned 64-bit number holds.",
    zh="{left} 与 {right} 之和超出无符号 64 位整数。",
)
LEAVES_ARE_NOT_IN_ORDER = refusal(
    "leaves_are_not_in_order",
    Fault.INPUT,
    en="Leaves ascend strictly by id, so that a customer is in the tree once; the one at index {index} does not.",
    zh="叶须按标识严格递增，使每位客户只出现一次；第 {index} 号叶不符。",
)
LEAF_INDEX_IS_BEYOND_TREE = refusal(
    "leaf_index_is_beyond_tree",
    Fault.INPUT,
    en="There is no leaf at index {index} in a tree of {count}.",
    zh="有 {count} 片叶的树中没有第 {index} 号叶。",
)
LEAF_PATH_HAS_WRONG_LENGTH = refusal(
    "leaf_path_has_wrong_length",
    Fault.INPUT,
    en="The path has {length} nodes, which is not the number that its place in the tree asks for.",
    zh="路径含 {length} 个节点，与其在树中的位置不符。",
)
LEAF_DOES_NOT_LEAD_TO_ROOT = refusal(
    "leaf_does_not_lead_to_root",
    Fault.INPUT,
    en="The leaf at index {index} and its path do not lead to the root that was published.",
    zh="第 {index} 号叶及其路径不能推出已公布的树根。",
)
LIABILITIES_DO_NOT_ADD_UP = refusal(
    "liabilities_do_not_add_up",
    Fault.INPUT,
    en="The path adds up to {found}, and the total says {said}.",
    zh="路径合计为 {found}，而总额为 {said}。",
)
LIABILITIES_DIFFER_FROM_REQUIREMENT = refusal(
    "liabilities_differ_from_requirement",
    Fault.STATE,
    en="Of {day} in {currency}, {figure} is {found} by the tree of all customers and {tested} by the safeguarding test."
    " Nothing is published.",
    zh="{day} {currency}：按全体客户的树，{figure} 为 {found}；按保障测试为 {tested}。不予公布。",
)
LIABILITIES_ARE_NOT_PROVEN = refusal(
    "liabilities_are_not_proven",
    Fault.UNKNOWN,
    en="There is no tree of liabilities of {day} in {currency}. One is published once the day is closed, tested and"
    " notarised.",
    zh="尚无 {day} {currency} 的负债树；该日日终、测试并公证后方予公布。",
)
HOLDER_IS_NOT_IN_TREE = refusal(
    "holder_is_not_in_tree",
    Fault.UNKNOWN,
    en="{holder} had no account in {currency} on {day}.",
    zh="{holder} 在 {day} 没有 {currency} 账户。",
)
LIABILITY_WAS_ERASED = refusal(
    "liability_was_erased",
    Fault.STATE,
    en="{holder} was erased after {day}; nobody can open that leaf any more.",
    zh="{holder} 已在 {day} 之后被删除；该叶无人能再打开。",
)
LIABILITIES_ARE_NOT_NOTARISED_YET = refusal(
    "liabilities_are_not_notarised_yet",
    Fault.STATE,
    en="Row {sequence}, which proves the liabilities of {day}, is not under a checkpoint yet; the last one covers"
    " {size} rows.",
    zh="证明 {day} 负债的第 {sequence} 行尚未纳入检查点；最近的检查点覆盖 {size} 行。",
)
ROW_CONTRADICTS_LIABILITIES = refusal(
    "row_contradicts_liabilities",
    Fault.STATE,
    en="Row {sequence} of the journal says {event}, and the rows and checkpoints that it names do not: {because}. It is"
    " not signed.",
    zh="日志第 {sequence} 行称 {event}，而其所指的行与检查点不符：{because}。不予签名。",
)
LIABILITIES_FILE_IS_WRONG = refusal(
    "liabilities_file_is_wrong",
    Fault.INPUT,
    en="{path} does not say how liabilities are proven: {detail}.",
    zh="{path} 未能说明如何证明负债：{detail}。",
)
LEAVES_FILE_IS_MALFORMED = refusal(
    "leaves_file_is_malformed",
    Fault.INPUT,
    en="Line {line} of {path} is no leaf: {detail}.",
    zh="{path} 第 {line} 行不是叶：{detail}。",
)
PACK_IS_NOT_FOR_THIS = refusal(
    "pack_is_not_for_this",
    Fault.INPUT,
    en="{path} holds no tree of liabilities to audit: {detail}.",
    zh="{path} 没有可审计的负债树：{detail}。",
)
ATTESTATION_IS_OF_NO_TREE = refusal(
    "attestation_is_of_no_tree",
    Fault.INPUT,
    en="The note is about {origin}, and the book has published nothing of that day, currency and figures.",
    zh="该签名说明针对 {origin}，而账簿未曾公布该日、币种及数额。",
)
AUDITOR_IS_NOT_ADMITTED = refusal(
    "auditor_is_not_admitted",
    Fault.PERMISSION,
    en="The note needs both signatures, by Ed25519 and ML-DSA-44, of one auditor whose keys {path} admits.",
    zh="签名说明须有 {path} 所准许的同一审计方的 Ed25519 与 ML-DSA-44 两个签名。",
)
AUDITOR_HAS_ATTESTED = refusal(
    "auditor_attests_once",
    Fault.STATE,
    en="This auditor has attested the liabilities of this day already.",
    zh="该审计方已对该日负债作过证明。",
)
NOTE_CANNOT_BE_READ = refusal(
    "note_cannot_be_read",
    Fault.INPUT,
    en="The auditor's note {path} cannot be read: {detail}.",
    zh="无法读取审计说明 {path}：{detail}。",
)
DAY_IS_PROVEN = refusal(
    "day_is_proven_once",
    Fault.STATE,
    en="The liabilities of this day are proven already.",
    zh="该日负债已经证明。",
)

register({"auditor_attests_once": AUDITOR_HAS_ATTESTED, "day_is_proven_once": DAY_IS_PROVEN})
