"""What the verifier says of a book: its rows, its rules, the people behind it, what is owed; in both languages."""

from typing import Final

OF_A_BOOK: Final[dict[str, tuple[str, str]]] = {
    # the journal
    "row_is_malformed": ("Row {sequence} is not leaf version 1: {field}.", "第 {sequence} 行不是第 1 版叶：{field}。"),
    "row_is_of_another_book": (
        "Row {sequence} is of book {found}, not of {wanted}.",
        "第 {sequence} 行属于账簿 {found}，而非 {wanted}。",
    ),
    "row_has_another_sequence": (
        "The row at place {sequence} says that it is row {found}.",
        "位于第 {sequence} 的行自称第 {found} 行。",
    ),
    "row_repeats_an_id": (
        "Row {sequence} has the id {id} of row {earlier}.",
        "第 {sequence} 行的标识 {id} 与第 {earlier} 行相同。",
    ),
    "row_goes_back_in_time": (
        "Row {sequence} was posted before the row ahead of it.",
        "第 {sequence} 行的入账时间早于前一行。",
    ),
    "chain_is_open": (
        "Row {sequence}, the last, is linked to a row that is not there.",
        "最后的第 {sequence} 行与不存在的行相连。",
    ),
    "row_breaks_a_rule": ("Row {sequence}: {rule}", "第 {sequence} 行：{rule}"),
    "book_disagrees": (
        "book.json says {field} is {listed}; the journal and the checkpoint say {found}.",
        "book.json 称 {field} 为 {listed}，日志与检查点为 {found}。",
    ),
    # the rules of the book
    "amount_must_be_positive": ("the amount is not positive.", "金额不为正。"),
    "account_must_exist": ("account {account} was not opened before.", "账户 {account} 此前未开立。"),
    "account_must_be_open": ("account {account} is closed.", "账户 {account} 已销户。"),
    "accounts_must_be_different": ("debit and credit account are the same.", "借贷为同一账户。"),
    "accounts_must_have_the_same_currency": ("the accounts have different currencies.", "两账户币种不同。"),
    "expiry_must_be_in_the_future": (
        "only a pending transfer expires, and only in the future.",
        "只有待定转账可设到期时间，且须在将来。",
    ),
    "sum_must_fit_64_bits": ("a sum of account {account} exceeds 64 bits.", "账户 {account} 的累计额超出 64 位。"),
    "balance_must_not_fall_below_its_minimum": (
        "account {account} has {available} to spend and a minimum of {minimum}; {amount} leave.",
        "账户 {account} 可用 {available}，下限 {minimum}，却转出 {amount}。",
    ),
    "balance_must_not_exceed_its_maximum": (
        "account {account} may reach {reach} and has a maximum of {maximum}; {amount} arrive.",
        "账户 {account} 可达 {reach}，上限 {maximum}，却转入 {amount}。",
    ),
    "value_date_must_be_in_an_open_period": (
        "its value date is {day}, and every day up to {through} was closed.",
        "起息日为 {day}，而截至 {through} 均已关账。",
    ),
    "period_must_have_ended": (
        "a period is closed up to {day}, a day that had not come.",
        "关账至 {day}，而该日尚未到来。",
    ),
    "period_must_be_later_than_the_last_closed": (
        "a period is closed up to {day}, but days up to {through} were closed before.",
        "关账至 {day}，而此前已关账至 {through}。",
    ),
    "pool_must_stay_covered": (
        "the pool {pool} holds {cover} {currency} more than it owes, {reserved} of it reserved; {amount} are added.",
        "资金池 {pool} 的持有超出应付 {cover} {currency}，其中 {reserved} 已预留，却再承担 {amount}。",
    ),
    "monitor_turn_must_be_journaled": (
        "here the rules want {wanted}; here stands {found}.",
        "按规则此处应为{wanted}，实为{found}。",
    ),
    "a_turn": ("the turn {said} of {day}", "{day} 的翻转 {said}"),
    "no_turn": ("no turn of a monitor", "无监测翻转"),
    "a_row": ("a row of kind {kind}", "种类为 {kind} 的行"),
    "the_end": ("the end of the journal", "日志末尾"),
    "column_must_be_in_range": ("its {column} is {found}, which is no such moment.", "{column} 为 {found}，超出范围。"),
    "column_must_be_empty": ("its kind leaves {column} empty.", "该种类的行不填 {column}。"),
    "pending_must_exist": ("there is no pending transfer {id}.", "不存在待定转账 {id}。"),
    "pending_must_be_open": (
        "the pending transfer {id} was resolved by row {earlier}.",
        "待定转账 {id} 已由第 {earlier} 行了结。",
    ),
    "pending_must_have_the_same_accounts": (
        "the accounts are not those of the pending transfer.",
        "账户与待定转账不一致。",
    ),
    "amount_must_not_exceed_pending": (
        "{amount} is more than the {held} that are held.",
        "{amount} 超过所冻结的 {held}。",
    ),
    "pending_has_passed_its_expiry": ("the pending transfer had expired.", "待定转账已过期。"),
    "pending_has_not_expired": ("the pending transfer had not expired yet.", "待定转账尚未到期。"),
    "corrected_transfer_must_exist": ("there is no posted transfer {id}.", "不存在已入账的转账 {id}。"),
    "transfer_must_be_corrected_once": (
        "the transfer {id} was corrected by row {earlier}.",
        "转账 {id} 已由第 {earlier} 行更正。",
    ),
    "correction_must_mirror": (
        "the correction is not the transfer with debit and credit exchanged.",
        "更正并非原转账的借贷互换。",
    ),
    "account_number_must_be_next": ("account {account} is not the next number.", "账户 {account} 不是下一个编号。"),
    "account_name_must_be_new": ("an account is named {account} already.", "已有名为 {account} 的账户。"),
    "account_must_be_empty": ("account {account} is closed with money in it.", "账户 {account} 未清零即销户。"),
    "payload_must_be_valid": ("the payload is not what its kind asks for.", "附带内容不符合该种类的要求。"),
    "refusal_must_move_nothing": ("a refusal names accounts or an amount.", "拒绝记录含有账户或金额。"),
    "kind_must_be_known": ("kind {kind} is unknown.", "未知种类 {kind}。"),
    "debits_must_equal_credits": (
        "in {currency} debits are {debits} and credits {credits}.",
        "{currency} 借方合计 {debits}，贷方合计 {credits}。",
    ),
    # approvals
    "approval_is_malformed": (
        "Row {sequence} does not say what a row about approvals and passkeys has to say.",
        "第 {sequence} 行未说明审批与通行密钥记录应有的内容。",
    ),
    "approval_lacks_its_signature": (
        "Row {sequence}: the proposal wants signatures, and the approval of {person} has none.",
        "第 {sequence} 行：该提案要求签名，而 {person} 的批准没有签名。",
    ),
    "approval_is_by_another_passkey": (
        "Row {sequence}: no passkey of that name is enrolled for {person}, it had ended, or it had not waited.",
        "第 {sequence} 行：{person} 名下没有该通行密钥，或其已终止，或尚在等待期。",
    ),
    "approval_is_signed_for_something_else": (
        "Row {sequence}: what {person} signed is not this challenge, or not on a page of ours by a verified user.",
        "第 {sequence} 行：{person} 所签并非此质询，或并非经验证的使用者在本站页面所签。",
    ),
    "approval_is_forged": (
        "Row {sequence}: the signature of {person} was not made by the enrolled passkey.",
        "第 {sequence} 行：{person} 的签名并非由已登记的通行密钥所作。",
    ),
    "correction_lacks_its_approvals": (
        "Row {sequence} takes a transfer back, and nobody approved that.",
        "第 {sequence} 行冲正一笔转账，而未经批准。",
    ),
    "funding_lacks_its_approvals": (
        "Row {sequence} books own money for a shortfall, and nobody approved that.",
        "第 {sequence} 行入账补足缺口的自有资金，而未经批准。",
    ),
    "rule_pack_lacks_its_approvals": (
        "Row {sequence} puts other risk rules in force, and nobody approved them.",
        "第 {sequence} 行使新的风险规则生效，而未经批准。",
    ),
    "decision_is_by_other_rules": (
        "Row {sequence}: risk decided by other rules or lists than those that were in force.",
        "第 {sequence} 行：风险判定所依的规则或名单并非当时生效者。",
    ),
    "passkey_waits_too_briefly": (
        "Row {sequence}: the passkey of {person} approves sooner than the policy lets a new one.",
        "第 {sequence} 行：{person} 的通行密钥早于政策允许的时间即可批准。",
    ),
    "passkey_is_not_its_owners": (
        "Row {sequence}: the passkey was not proposed by {person} and approved by somebody else, or is enrolled twice.",
        "第 {sequence} 行：该通行密钥并非由 {person} 提出并经他人批准，或重复登记。",
    ),
    # requirements
    "requirement_is_malformed": (
        "Row {sequence} does not say what a row about orders, policies, proposals and payees has to say.",
        "第 {sequence} 行未说明指令、政策、提案或收款账户记录应有的内容。",
    ),
    "policy_is_another": (
        "Row {sequence}: the policy is not the one whose SHA-256 it says.",
        "第 {sequence} 行：政策内容与其 SHA-256 不符。",
    ),
    "proposal_asks_for_others": (
        "Row {sequence}: the proposal ({act}) asks for other people than the policy did at that time.",
        "第 {sequence} 行：提案（{act}）所需审批人与当时政策不符。",
    ),
    "payment_lacks_its_approvals": (
        "Row {sequence}: the payment was not approved by as many people as the policy asked for.",
        "第 {sequence} 行：付款未经政策所要求人数的批准。",
    ),
    "payment_lacks_its_payee": (
        "Row {sequence}: the payment goes to an account that is no payee of the customer.",
        "第 {sequence} 行：付款所付账户并非该客户的收款账户。",
    ),
    "payee_lacks_approval": (
        "Row {sequence}: the payee is neither the customer's first nor one that others approved.",
        "第 {sequence} 行：该收款账户既非客户首个账户，亦未经他人批准。",
    ),
    "payee_was_too_new": (
        "Row {sequence}: more went to a new payee than the policy lets before it is old enough.",
        "第 {sequence} 行：付往新收款账户的金额超过冷静期内政策所许。",
    ),
    # origins
    "origin_is_malformed": (
        "Row {sequence} does not say what a row about who asked has to say.",
        "第 {sequence} 行未按要求载明付款由谁发起。",
    ),
    "program_key_is_not_admitted": (
        "Row {sequence}: no proposal that somebody else approved admitted the key {key}, or it is admitted twice.",
        "第 {sequence} 行：密钥 {key} 未经他人批准的提案准许，或重复准许。",
    ),
    "origin_is_by_another_key": (
        "Row {sequence}: the key {key} was not one by which the program could ask for payments then.",
        "第 {sequence} 行：密钥 {key} 当时不能用于发起付款。",
    ),
    "origin_is_by_another_login": (
        "Row {sequence}: {person} is not a login of the customer in whose name it asks.",
        "第 {sequence} 行：{person} 并非其所代客户的登录名。",
    ),
    "origin_is_under_no_mandate": (
        "Row {sequence}: the mandate {mandate} does not stand, or is for another program.",
        "第 {sequence} 行：委托书 {mandate} 无效，或授予的是另一程序。",
    ),
    "origin_is_for_something_else": (
        "Row {sequence}: what was signed is not a payment order of that time.",
        "第 {sequence} 行：签名内容并非当时的付款指令。",
    ),
    "origin_is_forged": (
        "Row {sequence}: the signature is not that of the key {key}.",
        "第 {sequence} 行：签名并非密钥 {key} 所作。",
    ),
    "payment_lacks_its_origin": (
        "Row {sequence} orders the payment {order}, for which nobody is known to have asked.",
        "第 {sequence} 行所下的付款 {order} 无法证实由谁发起。",
    ),
    # liabilities
    "liability_is_not_unsigned": (
        "{amount} is no amount of the tree: it is not an unsigned 64-bit number.",
        "{amount} 不是无符号 64 位整数，不能作为树中的金额。",
    ),
    "liability_sum_overflows": (
        "{left} and {right} add up to more than 64 bits hold.",
        "{left} 与 {right} 之和超出 64 位。",
    ),
    "liability_path_has_wrong_length": (
        "The path is longer or shorter than its place in the tree asks for.",
        "路径长度与其在树中的位置不符。",
    ),
    "liabilities_row_is_wrong": (
        "Row {sequence} about liabilities is not what the rows and checkpoints that it names make of it: {part}.",
        "第 {sequence} 行（负债）与其所指的行及检查点不符：{part}。",
    ),
    "liabilities_are_others": (
        "Row {sequence} says {part} {said}; it is {found}.",
        "第 {sequence} 行称 {part} 为 {said}，实为 {found}。",
    ),
    "leaf_is_out_of_order": (
        "{path}, line {line}: ids do not ascend, so that somebody may stand twice.",
        "{path} 第 {line} 行：标识未递增，可能有人出现两次。",
    ),
    "leaf_is_wrong": ("{path}, line {line}: the {part} is not right.", "{path} 第 {line} 行：{part} 有误。"),
    "leaf_is_of_nobody": (
        "{path}, line {line}: the journal knows no customer {holder}.",
        "{path} 第 {line} 行：日志中没有客户 {holder}。",
    ),
    "holder_is_left_out": ("{path}: {holder} is left out.", "{path}：遗漏了 {holder}。"),
    "leaves_make_another_root": (
        "{path}: the leaves do not make the root and total of row {sequence}.",
        "{path}：诸叶不能得出第 {sequence} 行的树根与总额。",
    ),
    "attestation_is_of_another_tree": (
        "{path}: the auditor's note is about another tree.",
        "{path}：审计说明针对的是另一棵树。",
    ),
    "proof_is_of_another_row": (
        "{path}: row {sequence} does not prove liabilities.",
        "{path}：第 {sequence} 行并非负债证明。",
    ),
    "proof_is_of_another_day": (
        "{path} says {field} {found}; the row that was signed says {wanted}.",
        "{path} 的 {field} 为 {found}，而签名的行为 {wanted}。",
    ),
    "proof_has_another_id": ("{path}: the id is not that of {holder}.", "{path}：标识不属于 {holder}。"),
    "proof_has_another_amount": (
        "{path}: {amount} is in the tree, the balance is {balance}.",
        "{path}：树中为 {amount}，余额为 {balance}。",
    ),
    "proof_leads_to_another_root": (
        "{path}: leaf and path do not lead to the root that was signed.",
        "{path}：叶与路径不能推出已签名的树根。",
    ),
    # wallets
    "diligence_is_malformed": (
        "Row {sequence} says something of a customer that cannot be read.",
        "第 {sequence} 行关于客户的内容无法读取。",
    ),
    "step_is_not_the_next": (
        "Row {sequence} is not the next step of the file of customer {customer}.",
        "第 {sequence} 行不是客户 {customer} 档案的下一步。",
    ),
    "verification_lacks_approval": (
        "Row {sequence} verifies customer {customer}, on whom people had to decide and did not.",
        "第 {sequence} 行核实客户 {customer}，而此须经人工决定，实未决定。",
    ),
    "wallet_lacks_its_verification": (
        "Row {sequence} opens an account of customer {customer}, who was not verified.",
        "第 {sequence} 行为未经核实的客户 {customer} 开立账户。",
    ),
    "customer_was_not_verified": (
        "Row {sequence} moves money of customer {customer}, who was not verified.",
        "第 {sequence} 行变动未经核实的客户 {customer} 的资金。",
    ),
    "customer_is_restricted": (
        "Row {sequence} moves money of customer {customer}, who was restricted.",
        "第 {sequence} 行变动受限客户 {customer} 的资金。",
    ),
    "wallet_is_above_its_tier": (
        "After row {sequence} customer {customer} holds more than the tier allows ({most} in minor units).",
        "第 {sequence} 行之后，客户 {customer} 的余额超过其等级限额（{most}，最小货币单位）。",
    ),
    # escrow
    "escrow_row_does_not_keep_its_agreement": (
        "Row {sequence} is not what escrow agreement {agreement} and the rows before it make of it.",
        "第 {sequence} 行与担保协议 {agreement} 及此前各行不符。",
    ),
    "escrow_condition_was_not_true": (
        "Row {sequence}: the condition of escrow agreement {agreement} was not true by the rows before it.",
        "第 {sequence} 行：依此前各行，担保协议 {agreement} 的条件并不成立。",
    ),
    "escrow_money_moves_by_itself": (
        "Row {sequence} moves money of escrow agreement {agreement}, and no row of its chain says why.",
        "第 {sequence} 行动用担保协议 {agreement} 的资金，而同链各行均未说明原因。",
    ),
    "escrow_money_did_not_move": (
        "Row {sequence} ends a chain in which money of escrow agreement {agreement} should have moved and did not.",
        "第 {sequence} 行所在链应动用担保协议 {agreement} 的资金而未动用。",
    ),
}
