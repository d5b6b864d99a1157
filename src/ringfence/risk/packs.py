"""The rule pack in force, as risk reads it: shipped with a new book, checked before it is proposed."""

import hashlib
import tomllib
from collections.abc import Sequence
from datetime import datetime
from importlib import resources

from ringfence.authority import rule_packs
from ringfence.authority.actors import Session
from ringfence.authority.proposals import Drafted
from ringfence.authority.rule_packs import RulePack
from ringfence.core import Core
from ringfence.risk import rules
from ringfence.risk.lists import SanctionsList
from ringfence.risk.refusals import LIST_HAS_A_NAME_OF_ONE_WORD, RISK_RULES_ARE_WRONG

NAME: str = "rules.toml"


def shipped() -> bytes:
    """The rules that come with the program."""
    return resources.files("ringfence.risk").joinpath(NAME).read_bytes()


def founded(core: Core, lists: Sequence[SanctionsList]) -> RulePack:
    """The pack in force; a book without any is given the shipped rules, and the lists that are screened here."""
    document = shipped()
    return rule_packs.found(core, document, sha256_of(document), _words([each.name for each in lists]))


def propose(
    core: Core, by: Session, document: str, lists: Sequence[str], effective_from: datetime | None = None
) -> Drafted:
    """Propose other rules, whole, with the lists that are to be screened; act `rule_pack`. `risk_rules_are_wrong`,
    `list_has_a_name_of_one_word`, and what `proposals.draft` refuses.
    """
    text = document.encode()
    check(text)
    words = _words(lists)
    return rule_packs.propose(core, by, document, sha256_of(text), words, effective_from or core.clock())


def check(text: bytes) -> None:
    """The file can be read in every profile that it has; `risk_rules_are_wrong` says where not."""
    try:
        profiles = tomllib.loads(text.decode()).get("profile", {})
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RISK_RULES_ARE_WRONG(file=NAME, field="the file", problem=error) from error
    if not isinstance(profiles, dict) or not profiles:
        raise RISK_RULES_ARE_WRONG(file=NAME, field="profile", problem="there is none")
    for profile in profiles:
        rules.read(text, profile, NAME)


def sha256_of(text: bytes) -> str:
    return hashlib.sha256(text).hexdigest()


def _words(lists: Sequence[str]) -> list[str]:
    for name in lists:
        if not name or name.split() != [name]:
            raise LIST_HAS_A_NAME_OF_ONE_WORD(list=name[:60])
    return sorted(set(lists))
