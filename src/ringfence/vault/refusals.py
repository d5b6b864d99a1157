"""How the vault says no."""

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

ALGORITHM_IS_UNKNOWN = refusal(
    "algorithm_is_unknown",
    Fault.INPUT,
    en="{algorithm} is no algorithm that the vault knows for this use.",
    zh="密码库没有可作此用途的算法 {algorithm}。",
)
ALGORITHM_IS_FORBIDDEN = refusal(
    "algorithm_is_forbidden",
    Fault.PERMISSION,
    en="{algorithm} is forbidden ({source}).",
    zh="算法 {algorithm} 已被禁用（{source}）。",
)
ALGORITHM_IS_NOT_AVAILABLE = refusal(
    "algorithm_is_not_available",
    Fault.MACHINE,
    en="The cryptographic library of this installation does not have {algorithm}.",
    zh="本安装的密码库组件不提供算法 {algorithm}。",
)
VAULT_CONFIGURATION_IS_WRONG = refusal(
    "vault_configuration_is_wrong",
    Fault.INPUT,
    en="{path} is not as it should be: {detail}.",
    zh="{path} 配置不正确：{detail}。",
)
CIPHERTEXT_IS_MALFORMED = refusal(
    "ciphertext_is_malformed",
    Fault.STATE,
    en="The ciphertext of {place} is not of a form that the vault writes.",
    zh="{place} 的密文格式不是密码库所写格式。",
)
CIPHERTEXT_DOES_NOT_BELONG_HERE = refusal(
    "ciphertext_does_not_belong_here",
    Fault.STATE,
    en="The ciphertext of {place} was changed, or belongs to another row, column or book.",
    zh="{place} 的密文被篡改，或属于其他行、列或账簿。",
)
FIELD_IS_NOT_KEPT = refusal(
    "field_is_not_kept",
    Fault.UNKNOWN,
    en="The vault keeps no {field} of {row}.",
    zh="密码库没有 {row} 的 {field}。",
)
FIELD_IS_UNKNOWN = refusal(
    "field_is_unknown",
    Fault.INPUT,
    en="{field} is not one of the fields that may be asked for here.",
    zh="{field} 不是可在此查询的字段。",
)
FIELD_WAS_ERASED = refusal(
    "field_was_erased",
    Fault.STATE,
    en="The key of this field was destroyed; nobody can read it any more.",
    zh="该字段的密钥已被销毁，任何人都无法再读取。",
)
OWNER_WAS_ERASED = refusal(
    "owner_was_erased",
    Fault.STATE,
    en="What was kept of this owner was erased; nothing new is kept.",
    zh="该主体的数据已被擦除，不再保存新的数据。",
)
FIELD_KEY_IS_RETIRED = refusal(
    "field_key_is_retired",
    Fault.MACHINE,  # nothing was written: ask again
    en="The field key was retired meanwhile; ask again.",
    zh="字段密钥已退役，请重新提交。",
)
WRAPPING_KEY_IS_RETIRED = refusal(
    "wrapping_key_is_retired",
    Fault.MACHINE,  # nothing was written: ask again
    en="The wrapping key was retired meanwhile; ask again.",
    zh="包装密钥已退役，请重新提交。",
)
VAULT_HAS_NO_WRAPPING_KEY = refusal(
    "vault_has_no_wrapping_key",
    Fault.MACHINE,
    en="The vault of this book has no wrapping key yet; the core makes it when it starts.",
    zh="本账簿的密码库尚无包装密钥；核心进程启动时会创建。",
)
WRAPPING_KEY_IS_MISSING = refusal(
    "wrapping_key_is_missing",
    Fault.MACHINE,
    en="Wrapping key {key} is not with its provider; restore it from its backup.",
    zh="密钥提供方没有包装密钥 {key}；请从备份恢复。",
)
WRAPPED_KEY_DOES_NOT_OPEN = refusal(
    "wrapped_key_does_not_open",
    Fault.STATE,
    en="A field key does not open under wrapping key {key}: it was changed, or belongs to somebody else.",
    zh="字段密钥无法用包装密钥 {key} 打开：已被篡改或属于他人。",
)
KEY_PROVIDER_IS_UNKNOWN = refusal(
    "key_provider_is_unknown",
    Fault.MACHINE,
    en="This installation has no key provider {provider}; vault.toml must describe it.",
    zh="本安装没有密钥提供方 {provider}；须在 vault.toml 中配置。",
)
KEY_SERVER_DOES_NOT_ANSWER = refusal(
    "key_server_does_not_answer",
    Fault.MACHINE,
    en="The key server does not answer as it should: {detail}.",
    zh="密钥服务器应答异常：{detail}。",
)
KEY_MODULE_DOES_NOT_LOAD = refusal(
    "key_module_does_not_load",
    Fault.MACHINE,
    en="The PKCS #11 module {module} does not load: {detail}.",
    zh="无法加载 PKCS #11 模块 {module}：{detail}。",
)
KEY_TOKEN_IS_MISSING = refusal(
    "key_token_is_missing",
    Fault.MACHINE,
    en="The module has no token called {token}, or several.",
    zh="模块中没有名为 {token} 的令牌，或有多个同名令牌。",
)
KEY_TOKEN_REFUSES_THE_PIN = refusal(
    "key_token_refuses_the_pin",
    Fault.MACHINE,
    en="The token {token} does not take the PIN ({detail}). It is not tried again until its file says another.",
    zh="令牌 {token} 未接受 PIN（{detail}）；在其文件更改之前不再尝试。",
)
KEY_TOKEN_DOES_NOT_ANSWER = refusal(
    "key_token_does_not_answer",
    Fault.MACHINE,
    en="The token {token} does not answer as it should: {detail}.",
    zh="令牌 {token} 应答异常：{detail}。",
)
KEY_SERVER_REFUSES = refusal(
    "key_server_refuses",
    Fault.MACHINE,
    en="The key server does not let this installation use key {key}.",
    zh="密钥服务器拒绝本安装使用密钥 {key}。",
)
VALUE_IS_KEPT_ALREADY = refusal(
    "value_is_kept_already",
    Fault.STATE,
    en="Somebody else of this book has the same value in a field where each has its own.",
    zh="本账簿中另有主体在该唯一字段使用相同的值。",
)
REVEAL_MUST_HAVE_A_REASON = refusal(
    "reveal_must_have_a_reason",
    Fault.INPUT,
    en="A value is revealed for one of these reasons: {reasons}.",
    zh="查看明文须选择以下理由之一：{reasons}。",
)
REVEAL_NOTE_MUST_BE_SHORT = refusal(
    "reveal_note_must_be_short",
    Fault.INPUT,
    en="The note has at most {characters} characters.",
    zh="备注最多 {characters} 个字符。",
)
FIELD_IS_NEVER_SHOWN = refusal(
    "field_is_never_shown",
    Fault.PERMISSION,
    en="{field} is shown to nobody.",
    zh="{field} 不向任何人显示。",
)
ROTATION_IS_NOT_COMPLETE = refusal(
    "rotation_is_not_complete",
    Fault.STATE,
    en="A key that is to leave still has rows.",
    zh="待退役的密钥仍有数据使用。",
)

register(
    {
        "value_is_kept_already": VALUE_IS_KEPT_ALREADY,
        "owner_was_erased": OWNER_WAS_ERASED,
        "field_key_is_retired": FIELD_KEY_IS_RETIRED,
        "wrapping_key_is_retired": WRAPPING_KEY_IS_RETIRED,
        "rotation_is_not_complete": ROTATION_IS_NOT_COMPLETE,
    }
)
