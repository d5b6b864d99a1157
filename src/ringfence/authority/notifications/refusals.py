"""How notifications are not sent."""

from typing import Final

from ringfence.refusal import Fault, refusal

NOTIFICATION_SETTINGS_ARE_WRONG: Final = refusal(
    "notification_settings_are_wrong",
    Fault.INPUT,
    en="{path} does not say how notifications are sent: {detail}.",
    zh="{path} 未能说明如何发送通知：{detail}。",
)
NOTIFICATION_WAS_NOT_SENT: Final = refusal(
    "notification_was_not_sent",
    Fault.MACHINE,
    en="A notification could not be sent ({detail}). It is kept and tried again.",
    zh="通知未能发送（{detail}）；已保留，将重试。",
)
