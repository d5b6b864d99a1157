"""How incident says no."""

from typing import Final

from ringfence.database.refusals import register
from ringfence.refusal import Fault, refusal

BRAKE_IS_PULLED: Final = refusal(
    "brake_is_pulled",
    Fault.STATE,
    en="The brake is pulled since {since}: {reason} No payout leaves until two people release it.",
    zh="紧急制动自 {since} 起生效：{reason} 须经两人解除后方可付款。",
)
BRAKE_IS_NOT_PULLED: Final = refusal(
    "brake_is_not_pulled", Fault.STATE, en="The brake is not pulled.", zh="紧急制动未启用。"
)
BRAKE_WAS_PULLED_AGAIN: Final = refusal(
    "brake_was_pulled_again",
    Fault.STATE,
    en="Somebody pulled the brake after this release was proposed. Propose it anew.",
    zh="提出解除之后又有人拉下制动。请重新提出解除。",
)
REASON_IS_MISSING: Final = refusal(
    "reason_is_missing",
    Fault.INPUT,
    en="Say why, in at most {characters} characters.",
    zh="请说明原因，最多 {characters} 个字符。",
)
THRESHOLDS_ARE_NOT_VALID: Final = refusal(
    "thresholds_are_not_valid",
    Fault.INPUT,
    en="The thresholds of the indicators are not valid: {detail}",
    zh="指标阈值无效：{detail}",
)
INDICATOR_TURNED_MEANWHILE: Final = refusal(
    "indicator_turned_meanwhile",
    Fault.STATE,
    en="Another watch wrote the indicator at the same moment.",
    zh="另一监视同时写入了该指标。",
)

register({each.name: each for each in (BRAKE_IS_NOT_PULLED, BRAKE_WAS_PULLED_AGAIN, INDICATOR_TURNED_MEANWHILE)})
