"""How the proof of liabilities says no."""

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
