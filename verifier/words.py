"""Every sentence of the verdict, in English and in Chinese, and the exception that carries one."""

from typing import Final

LANGUAGES: Final = ("en", "zh")

SENTENCES: Final[dict[str, tuple[str, str]]] = {
    # the folder
    "folder_is_missing": ("{path} is not a folder that can be read.", "{path} 不是可读取的文件夹。"),
    "folder_is_no_export": (
        "{path} holds neither manifest.json nor checkpoint: it is not an exported book.",
        "{path} 中既无 manifest.json 也无 checkpoint，不是导出的账簿。",
    ),
    "file_cannot_be_read": ("{path} cannot be read: {cause}.", "无法读取 {path}：{cause}。"),
    "file_is_missing": ("{path} is missing.", "缺少 {path}。"),
    "file_is_not_listed": ("{path} is not in the manifest.", "{path} 不在清单内。"),
    "file_has_no_place": ("{path} does not belong into an export.", "导出文件夹中不应有 {path}。"),
    "file_is_no_file": ("{path} is neither a file nor a folder.", "{path} 既非文件也非文件夹。"),
    "folder_is_spare": ("The folder {path} holds no listed file.", "文件夹 {path} 内没有列入清单的文件。"),
    "file_has_another_size": (
        "{path} has {found} bytes; the manifest says {listed}.",
        "{path} 有 {found} 字节，清单所列为 {listed}。",
    ),
    "file_has_another_hash": (
        "{path} was changed: its SHA-256 is not the manifest's.",
        "{path} 被改动：SHA-256 与清单不符。",
    ),
    "file_is_too_large": ("{path} is larger than any such file can be.", "{path} 超出此类文件的最大长度。"),
    "both": ("{first} {second}", "{first}{second}"),
    "and_more": ("{places} (and {more} more)", "{places}（另有 {more} 处）"),
    "json_is_not_canonical": (
        "{path} is not canonical JSON (RFC 8785); it differs from byte {byte} on.",
        "{path} 不是规范 JSON（RFC 8785），自第 {byte} 字节起不符。",
    ),
    "json_has_other_fields": (
        "{path} does not have exactly the fields of its format: {field}.",
        "{path} 的字段不符合其格式：{field}。",
    ),
    "manifest_disagrees": (
        "manifest.json says {field} is {listed}; it is {found}.",
        "manifest.json 称 {field} 为 {listed}，实为 {found}。",
    ),
    # the key and the checkpoints
    "key_is_malformed": ("{path} is not a key in its one spelling.", "{path} 不是规范的密钥。"),
    "key_is_another": (
        "The folder's key {found} is not the key you gave, {given}.",
        "文件夹中的密钥 {found} 不是您所给的 {given}。",
    ),
    "note_is_malformed": (
        "{path} is not a signed note in its one spelling (line {line}).",
        "{path} 不是规范的签名笺（第 {line} 行）。",
    ),
    "note_is_not_signed": ("{path} is not signed by the key {key}.", "{path} 没有密钥 {key} 的签名。"),
    "note_is_forged": (
        "{path} carries a signature of {key} that was not made over this text.",
        "{path} 上 {key} 的签名并非对此文本所作。",
    ),
    "too_few_witnesses": (
        "{path} is cosigned by {names}; that is not the quorum {quorum} of the policy you gave.",
        "{path} 的见证签名为 {names}，未达到您所给策略的法定人数 {quorum}。",
    ),
    "policy_is_malformed": (
        "{path} is not a policy of witnesses: line {line} does not hold.",
        "{path} 不是见证策略：第 {line} 行有误。",
    ),
    "certificate_is_malformed": (
        "{path} holds no root certificate of a time-stamping authority.",
        "{path} 中没有时间戳机构的根证书。",
    ),
    "timestamp_is_of_no_checkpoint": (
        "{path} stamps a checkpoint that is not in the folder.",
        "{path} 所盖时间戳的检查点不在文件夹中。",
    ),
    "there_is_no_timestamp": (
        "There is no timestamp in the folder.",
        "文件夹中没有时间戳。",
    ),
    "timestamp_is_malformed": (
        "{path} is not a timestamp (RFC 3161): {detail}.",
        "{path} 不是时间戳（RFC 3161）：{detail}。",
    ),
    "timestamp_is_of_something_else": (
        "{path} is not about the checkpoint of that size.",
        "{path} 并非针对该大小的检查点。",
    ),
    "timestamp_is_forged": (
        "{path} is not signed by whom it names: {detail}.",
        "{path} 并非其所称签名者所签：{detail}。",
    ),
    "timestamp_is_of_another_authority": (
        "{path} is not signed under the certificate you gave: {detail}.",
        "{path} 并非由您所给证书之下的机构所签：{detail}。",
    ),
    "checkpoint_is_malformed": (
        "{path} is not a checkpoint: line {line} is wrong.",
        "{path} 不是检查点：第 {line} 行有误。",
    ),
    "checkpoint_is_of_another_log": (
        "{path} is a checkpoint of {found}, not of {wanted}.",
        "{path} 是 {found} 的检查点，而非 {wanted}。",
    ),
    "checkpoint_has_another_size": (
        "{path} is of {found} rows, which its name or place does not allow.",
        "{path} 为 {found} 行，与其名称或位置不符。",
    ),
    # the tree
    "bundle_is_malformed": (
        "{path} is not made of {width} whole entries.",
        "{path} 并非由 {width} 条完整条目组成。",
    ),
    "root_is_another": (
        "The {size} entries make another root than the one that was signed.",
        "{size} 条条目得出的树根与签名的树根不同。",
    ),
    "entry_differs_from_tile": (
        "Entry {sequence} in {path} does not hash to the hash in {tile}.",
        "{path} 中第 {sequence} 条条目的哈希与 {tile} 不符。",
    ),
    "tile_is_another": (
        "{path} does not hold the hashes of the entries, from hash {index} on.",
        "{path} 自第 {index} 个哈希起与条目不符。",
    ),
    "older_root_is_another": (
        "{path} was signed over another beginning: the first {size} entries make another root now.",
        "{path} 签的是另一段历史：现有前 {size} 条条目得出的树根不同。",
    ),
    "proof_has_wrong_length": (
        "The proof in {path} does not have the length that its place asks for.",
        "{path} 中证明的长度不符。",
    ),
    "proof_leads_elsewhere": (
        "The proof in {path} does not lead to the signed root.",
        "{path} 中的证明不能得出所签的树根。",
    ),
    # the receipts
    "receipt_is_of_another_entry": (
        "{path} holds another leaf than entry {sequence} of the book.",
        "{path} 的叶与账簿第 {sequence} 条条目不同。",
    ),
    "receipt_has_another_name": (
        "{path} is the receipt of {found}, as its name does not say.",
        "{path} 是 {found} 的回执，与文件名不符。",
    ),
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
    # what was found to be right
    "manifest_is_right": ("It lists {files} files.", "列有 {files} 个文件。"),
    "files_are_right": ("{files} files are as the manifest lists them.", "{files} 个文件与清单相符。"),
    "key_is_right": ("The folder's key is the key you gave, {key}.", "文件夹中的密钥即您所给的 {key}。"),
    "key_is_the_folders_own": (
        "The key is the folder's own: compare {key} with one that reached you another way, or give it with --key.",
        "所用密钥取自文件夹本身：请与经其他途径得到的密钥核对 {key}，或以 --key 给出。",
    ),
    "checkpoint_is_right": ("{origin}, {size} rows, is signed.", "{origin}，{size} 行，签名有效。"),
    "witnesses_are_right": ("{size} rows are cosigned by {names}.", "{size} 行已由 {names} 见证签名。"),
    "timestamps_are_right": (
        "{count} checkpoints are stamped, from {first} to {last}.",
        "{count} 个检查点有时间戳，自 {first} 至 {last}。",
    ),
    "entries_are_right": ("{size} entries are there.", "{size} 条条目齐全。"),
    "root_is_right": (
        "The {size} entries make the root that was signed.",
        "{size} 条条目得出所签的树根。",
    ),
    "tiles_are_right": ("{tiles} tiles hold the hashes of the entries.", "{tiles} 个哈希块与条目相符。"),
    "older_are_right": (
        "{checkpoints} older checkpoints are beginnings of this book.",
        "{checkpoints} 个较早的检查点均为本账簿的前缀。",
    ),
    "journal_is_right": (
        "{rows} rows without a gap, each id once, time never going back.",
        "{rows} 行无缺号，标识不重复，时间不倒退。",
    ),
    "replay_is_right": (
        "{rows} rows keep the rules: {accounts} accounts, {movements} movements, {refusals} refusals, in {currencies}.",
        "{rows} 行均合规则：{accounts} 个账户，{movements} 笔变动，{refusals} 笔拒绝，币种 {currencies}。",
    ),
    "requirements_are_right": (
        "{proposals} proposals ask for whom the policy says, and {payments} payments have them; {payees} payees.",
        "{proposals} 个提案所需审批均合政策，{payments} 笔付款均已获批；收款账户 {payees} 个。",
    ),
    "origins_are_right": (
        "{asked} of {payments} payments had to say who asked for them, and do; {keys} keys of programs.",
        "{payments} 笔付款中 {asked} 笔须表明发起人，均已表明；程序密钥 {keys} 个。",
    ),
    "approvals_are_right": (
        "{signed} of {approvals} approvals are signed, and every signature holds; {passkeys} passkeys.",
        "{approvals} 个批准中 {signed} 个有签名，签名均有效；通行密钥 {passkeys} 个。",
    ),
    "liabilities_are_right": (
        (
            "{days} days proven ({open} closed and not yet), each with every customer of the journal, the day's test"
            " and the bank's statements; {leaves} with leaves; {attested} auditors' notes, {known} by keys you gave."
        ),
        (
            "已证明 {days} 日（另有 {open} 日已日终未证明），均与日志全体客户、当日测试及银行对账单一致；"
            "{leaves} 日附叶；审计说明 {attested} 份，其中 {known} 份由您所给密钥签署。"
        ),
    ),
    "proof_is_right": (
        (
            "{holder} had {amount} {currency} on {day}, and that is in the total of {total} {currency} owed to {count}"
            " customers. Auditors whose keys you gave: {auditors}. The bank's statements: {banks}."
        ),
        (
            "{day}，{holder} 有 {amount} {currency}，已计入应付 {count} 位客户的总额 {total} {currency}。"
            "您所给密钥的审计方：{auditors}。银行对账单：{banks}。"
        ),
    ),
    "proof_is_right_without_auditor": (
        (
            "{holder} had {amount} {currency} on {day}, and that is in the tree of {count} customers. That it adds up"
            " to {total} {currency} is for an auditor to say; no key of one was given. The bank's statements: {banks}."
        ),
        (
            "{day}，{holder} 有 {amount} {currency}，已在 {count} 位客户的树中。合计是否为 {total} {currency}"
            " 须由审计方证明，而未给出其密钥。银行对账单：{banks}。"
        ),
    ),
    "wallets_are_right": (
        "{customers} customers, {verified} of them verified now; {moved} movements of theirs were allowed to them.",
        "客户 {customers} 位，现已核实 {verified} 位；其 {moved} 笔变动均属允许。",
    ),
    "escrow_is_right": (
        "{agreements} escrow agreements; {released} tranches released and {returned} returned, each while it might be.",
        "担保协议 {agreements} 份；放款 {released} 期、退回 {returned} 期，均在条件成立时。",
    ),
    "book_is_right": ("Book {name} ({book}) in {currencies}.", "账簿 {name}（{book}），币种 {currencies}。"),
    "receipts_are_right": ("{receipts} receipts are in the book.", "{receipts} 张回执均在账簿内。"),
    "receipt_is_right": (
        "Row {sequence} of {origin}, {id}, is in the book of {size} rows that was signed.",
        "{origin} 的第 {sequence} 行 {id} 在所签的 {size} 行账簿内。",
    ),
    "not_checked": ("Not checked, because {check} is wrong.", "因 {check} 有误而未检查。"),
    # the verdict
    "valid": ("VALID. Nothing in this folder contradicts what was signed.", "有效。文件夹内容与所签一致。"),
    "not_valid": ("NOT VALID. Do not rely on this folder.", "无效。请勿依赖此文件夹。"),
    "unreadable": ("CANNOT BE READ. {reason}", "无法读取。{reason}"),
    "title": ("Evidence in {path}", "证据：{path}"),
    "receipt_needs_a_key": (
        "a receipt alone proves nothing without a key that reached you another way: give it with --key",
        "单独一张回执须以经其他途径得到的密钥验证：请以 --key 给出",
    ),
    "key_option_is_malformed": ("--key is not a key in its one spelling", "--key 不是规范的密钥"),
    "cryptography_is_missing": (
        "This program needs the Python package cryptography ({module} is missing).",
        "本程序需要 Python 软件包 cryptography（缺少 {module}）。",
    ),
}

CHECKS: Final[dict[str, tuple[str, str]]] = {
    "folder": ("folder", "文件夹"),
    "manifest": ("manifest", "清单"),
    "files": ("files", "文件"),
    "key": ("key", "密钥"),
    "checkpoint": ("checkpoint", "检查点"),
    "witnesses": ("witnesses", "见证"),
    "timestamps": ("timestamps", "时间戳"),
    "entries": ("entries", "条目"),
    "root": ("root", "树根"),
    "tiles": ("tiles", "哈希块"),
    "checkpoints": ("checkpoints", "较早检查点"),
    "journal": ("journal", "日志"),
    "replay": ("replay", "重演"),
    "approvals": ("approvals", "批准"),
    "origins": ("origins", "发起"),
    "requirements": ("requirements", "审批要求"),
    "wallets": ("wallets", "客户"),
    "escrow": ("escrow", "担保"),
    "liabilities": ("liabilities", "负债"),
    "liability": ("liability", "负债"),
    "book": ("book", "账簿"),
    "receipts": ("receipts", "回执"),
    "receipt": ("receipt", "回执"),
}


class Wrong(Exception):  # noqa: N818 - a finding about the folder, not an error of this program
    """Something in the folder is not as it must be: a sentence's name and the facts, among them the place."""

    def __init__(self, name: str, **facts: object) -> None:
        super().__init__(name)
        self.name = name
        self.facts = facts


class Unreadable(Wrong):
    """The folder, or a file of it, cannot be read at all."""


def say(language: str, name: str, facts: dict[str, object]) -> str:
    """A sentence. A fact that is itself a finding is said in the same language."""
    said = {
        key: say(language, value.name, value.facts) if isinstance(value, Wrong) else value
        for key, value in facts.items()
    }
    return SENTENCES[name][LANGUAGES.index(language)].format(**said)
