"""The settings, read in one place: the command line first, then the environment, then a default.

Every one of them has its sentence in docs/operate/settings.md.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ringfence.refusal import Fault, refusal

LANGUAGES: Final = ("en", "zh")

SETTING_IS_WRONG = refusal(
    "setting_is_wrong",
    Fault.INPUT,
    en="{name} is {value!r}; it takes {expected}.",
    zh="{name} 为 {value!r}，应为 {expected}。",
)


@dataclass(frozen=True)
class Settings:
    """Where an installation lives and how it speaks."""

    home: Path
    database_url: str | None
    language: str
    database_without_tls: str | None = None  # why a server across a network is not verified

    @property
    def keys(self) -> Path:
        return self.home / "keys"

    @property
    def banks(self) -> Path:
        return self.home / "banks"

    def evidence(self, book: str) -> Path:
        return self.home / "evidence" / book


def read_settings(environment: Mapping[str, str] = os.environ, home: Path | None = None) -> Settings:
    """Settings of this run. RINGFENCE_HOME, RINGFENCE_DATABASE_URL, RINGFENCE_DATABASE_WITHOUT_TLS (a reason),
    RINGFENCE_LANGUAGE (en, zh; else LANG decides).
    """
    chosen = home or _home(environment)
    language = environment.get("RINGFENCE_LANGUAGE") or ("zh" if environment.get("LANG", "").startswith("zh") else "en")
    if language not in LANGUAGES:
        raise SETTING_IS_WRONG(name="RINGFENCE_LANGUAGE", value=language, expected=" / ".join(LANGUAGES))
    return Settings(
        chosen.absolute(),
        environment.get("RINGFENCE_DATABASE_URL") or None,
        language,
        environment.get("RINGFENCE_DATABASE_WITHOUT_TLS", "").strip() or None,
    )


def _home(environment: Mapping[str, str]) -> Path:
    given = environment.get("RINGFENCE_HOME")
    if given:
        return Path(given)
    base = environment.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "ringfence"
