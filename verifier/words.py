"""Every sentence of the verdict, in English and in Chinese, and the exception that carries one."""

from typing import Final
from unicodedata import category

from book_words import OF_A_BOOK

LANGUAGES: Final = ("en", "zh")
_UNSEEN: Final = ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")  # Unicode's categories: control, format, private, line, paragraph

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
    **OF_A_BOOK,
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
    "valid": ("VALID. Nothing here contradicts what was signed.", "有效。所核内容与所签一致。"),
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
    "call": ("call", "调用"),
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
    """A sentence. A fact that is itself a finding is said in the same language; one of the folder says nothing but
    itself: no line of its own, no colour, nothing that turns what stands around it.
    """
    said = {
        key: say(language, value.name, value.facts) if isinstance(value, Wrong) else plain(str(value))
        for key, value in facts.items()
    }
    return SENTENCES[name][LANGUAGES.index(language)].format(**said)


def plain(text: str) -> str:
    """A text of somebody else, in which what controls a terminal or a reader's eye is spelled out."""
    return "".join(f"\\u{ord(each):04x}" if category(each) in _UNSEEN else each for each in text)
