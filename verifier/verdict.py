"""The verdict: what was checked, what was found, and how it is said."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import log
from words import CHECKS, LANGUAGES, Unreadable, Wrong, say

Value = TypeVar("Value")
Arguments = ParamSpec("Arguments")


@dataclass
class Check:
    """What was found about one thing: right or wrong, and the sentence that says so, with its place."""

    name: str
    valid: bool = True
    sentence: str = ""
    facts: dict[str, object] = field(default_factory=dict)

    def right(self, sentence: str, **facts: object) -> None:
        self.sentence, self.facts = sentence, facts


@dataclass
class Verdict:
    size: int | None = None
    root: bytes | None = None
    checks: list[Check] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        return bool(self.checks) and all(check.valid for check in self.checks)

    def check(
        self,
        name: str,
        examine: Callable[Concatenate[Check, Arguments], Value],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> Value | None:
        """Run one check and note what it found. None if it found something wrong."""
        check = Check(name)
        self.checks.append(check)
        try:
            return examine(check, *arguments, **options)
        except Unreadable:
            raise
        except Wrong as wrong:
            check.valid, check.sentence, check.facts = False, wrong.name, wrong.facts
            return None


def needed(value: Value | None, check: str) -> Value:
    """What an earlier check found, without which this one means nothing."""
    if value is None:
        raise Wrong("not_checked", check=check)
    return value


def as_json(verdict: Verdict, language: str) -> str:
    checks = [
        {"name": check.name, "valid": check.valid, "detail": say(language, check.sentence, check.facts)}
        for check in verdict.checks
    ]
    root = None if verdict.root is None else log.spell(verdict.root)
    told = {"valid": verdict.valid, "size": verdict.size, "root": root, "checks": checks}
    return json.dumps(told, ensure_ascii=False, indent=2)


def as_text(verdict: Verdict, language: str, path: Path) -> str:
    lines = [say(language, "title", {"path": path}), ""]
    for check in verdict.checks:
        mark = "ok" if check.valid else "NO"
        name = CHECKS[check.name][LANGUAGES.index(language)]
        lines.append(f"  {mark}  {name:<12} {say(language, check.sentence, check.facts)}")
    lines += ["", say(language, "valid" if verdict.valid else "not_valid", {})]
    return "\n".join(lines)
