"""Write the pages of docs/reference that follow from the code (refusals.md, lifecycles.md, commands.md) or from a list
of ours (asvs.md), and verifier/check.html, the page on which customers check their proofs, as one file.

    python scripts/reference.py            # writes them
    python scripts/reference.py --check    # ends with 1 and their names if one is out of date

A test calls the second. Nothing else is in these files, so nobody edits them by hand.
"""
# ruff: noqa: INP001 - a program of its own folder, not a package

import ast
import importlib
import pkgutil
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import asvs
import typer

import ringfence
from ringfence.console.check import check_page
from ringfence.custody.lifecycle import LIFECYCLE, is_final, states
from ringfence.diligence.lifecycle import LIFECYCLE as DILIGENCE
from ringfence.diligence.lifecycle import STATES as DILIGENCE_STATES
from ringfence.diligence.lifecycle import is_final as ends
from ringfence.refusal import Refusal, declared

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "ringfence"
PAGE = "../../verifier/check.html"
MADE = "<!-- Made by scripts/reference.py from the code; change the code and run it again. -->\n"
# Not to be imported for its refusals: the command line itself.
_ENTRY = "ringfence.__main__"

# In the order in which a request meets them; the programs of the edge come last.
PACKAGES = (
    ("money", "Money"),
    ("settings", "Settings"),
    ("keys", "Keys"),
    ("database", "Database"),
    ("ledger", "Ledger: what happened to the money?"),
    ("evidence", "Evidence: can a stranger check it?"),
    ("authority", "Authority: who may do this, and did they?"),
    ("incident", "Incident: what do we do now?"),
    ("risk", "Risk: should this be happening?"),
    ("vault", "Vault: who may see it, and did they?"),
    ("diligence", "Diligence: who is the customer, and how do we know?"),
    ("banking", "Banking: what does the bank say?"),
    ("custody", "Custody: what business was done, under which rule?"),
    ("escrow", "Escrow: may this money go now?"),
    ("reconciliation", "Reconciliation: do we and the bank agree, item by item?"),
    ("safeguarding", "Safeguarding: is all of it there, apart, and spread?"),
    ("liabilities", "Liabilities: is my money in the total?"),
    ("takeover", "Takeover: is the book we are handed the book it claims to be?"),
    ("web", "The edge: HTTP"),
    ("console", "The edge: console"),
    ("command", "The edge: command line"),
    ("installation", "The edge: an installation"),
    ("serve", "The edge: the processes"),
    ("benches", "The edge: the benchmarks"),
    ("demo", "The demo"),
)
FAULTS = {
    "INPUT": "the file or request",
    "UNKNOWN": "names what is not there",
    "PERMISSION": "may not",
    "IDENTITY": "nobody signed in",
    "STATE": "the books, now",
    "MACHINE": "the machine",
}


def main() -> int:
    """0: the pages are as the code is now."""
    made = {
        "refusals.md": refusals(),
        "lifecycles.md": lifecycles(),
        "commands.md": commands(),
        "asvs.md": asvs.page(asvs.rows()),
    }
    pages = {name: re.sub(r"\n{3,}", "\n\n", text) for name, text in made.items()}
    pages[PAGE] = check_page()[0].decode()
    stale = [name for name, text in pages.items() if not _is(FOLDER / name, text)]
    if "--check" in sys.argv[1:]:
        if stale:
            sys.stderr.write(f"out of date: {', '.join(stale)}; run python scripts/reference.py\n")
        return 1 if stale else 0
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in stale:
        (FOLDER / name).write_text(pages[name], encoding="utf-8")
    sys.stderr.write(f"written: {', '.join(stale) or 'nothing was out of date'}\n")
    return 0


def _is(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


# -- refusals --------------------------------------------------------------------------------------------------------


def import_everything() -> None:
    """Every module of ringfence, so that every refusal is declared."""
    for found in pkgutil.walk_packages(ringfence.__path__, "ringfence."):
        if found.name != _ENTRY:
            importlib.import_module(found.name)


def places() -> dict[str, tuple[str, str, int]]:
    """Where each refusal is declared: package, file, line."""
    found: dict[str, tuple[str, str, int]] = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).parts
        package = parts[0] if len(parts) > 1 else file.stem
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "refusal"):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                found[str(node.args[0].value)] = (package, "/".join(parts), node.lineno)
    return found


def by_package() -> dict[str, list[tuple[str, Refusal]]]:
    """The refusals of each package with the file that declares them, in the order of its files and lines."""
    import_everything()
    known = places()
    listed: dict[str, list[tuple[str, int, Refusal]]] = {}
    for number, each in enumerate(declared()):
        # What is declared from a table (the results of the ledger) has no line of its own: it stands first, in order.
        package, file, line = known.get(each.name, ("ledger", "ledger/refusals.py", number - 100_000))
        listed.setdefault(package, []).append((file, line, each))
    return {
        package: [(file, each) for file, _, each in sorted(found, key=lambda one: one[:2])]
        for package, found in listed.items()
    }


def refusals() -> str:
    """The page of every way to say no."""
    listed = by_package()
    unknown = listed.keys() - {name for name, _ in PACKAGES}
    if unknown:
        raise SystemExit(f"scripts/reference.py does not know where to put {sorted(unknown)}: add them to PACKAGES")
    count = sum(len(found) for found in listed.values())
    lines = [MADE, "# Refusals\n", _INTRODUCTION.format(count=count)]
    for package, title in PACKAGES:
        if package not in listed:
            continue
        lines.append(f"\n## {title}\n")
        file = ""
        for where, each in listed[package]:
            if where != file:
                file = where
                lines += [f"\n`{file}`\n", "| name | fault | English | 中文 |", "|---|---|---|---|"]
            fault = f"{each.fault.value} {FAULTS[each.fault.name]}"
            lines.append(f"| `{each.name}` | {fault} | {_cell(each.en)} | {_cell(each.zh)} |")
    return "\n".join(lines) + "\n"


_INTRODUCTION = """\
Everything that Ringfence declines, it declines by one of these {count} names. A name is stable: a program may rely on
it. Words in braces are the facts of the case. The number is the HTTP status, which says whose fault it is:

- **422** the file or request is wrong in itself, **404** it names something that is not there
- **401** nobody is signed in, **403** this person or process may not
- **409** the books, or somebody who was faster, forbid it now
- **503** the machine: disk, network, database, clock; try again when it is well

Four say more than their fault does: `method_is_not_offered` 405, `request_is_too_large` 413, `host_is_not_ours` 421,
`program_failed` 500. On the command line a refusal is the sentence on standard error, or with `--json` the object
described in [json.md](json.md#a-refusal). Within a file they stand in the order in which they are checked: where
several are true, the first is the answer. Those of `ledger/refusals.py` begin with the results of a row.
"""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


# -- lifecycles ------------------------------------------------------------------------------------------------------


def lifecycles() -> str:
    """The page of every kind of order, drawn from the table that decides."""
    alike: dict[Any, list[str]] = {}
    for kind, steps in LIFECYCLE.items():
        alike.setdefault(steps, []).append(kind)
    lines = [MADE, "# Lifecycles of orders\n", _LIFECYCLES]
    for steps, kinds in alike.items():
        lines += [f"\n## {', '.join(kinds)}\n", "```mermaid", "stateDiagram-v2"]
        lines += [f"    {before or '[*]'} --> {after}: {what}" for before, what, after in steps]
        lines += [f"    {state} --> [*]" for state in states(kinds[0]) if is_final(kinds[0], state)]
        lines.append("```")
    lines += ["\n## due diligence\n", _DILIGENCE, "```mermaid", "stateDiagram-v2"]
    lines += [f"    {before or '[*]'} --> {after}: {what}" for before, what, after in DILIGENCE if before != after]
    lines += [f"    {state} --> [*]" for state in DILIGENCE_STATES if ends(state)]
    lines.append("```")
    return "\n".join(lines) + "\n"


_LIFECYCLES = """\
An order is in one of these states, and only what stands on an arrow takes it along that arrow; everything else is
refused as `order_may_not_do_that_now`. Each step is one ORDER_STATE event in the journal, in the same append as the
money that it moves. The drawing follows from the table in `src/ringfence/custody/lifecycle.py`.
"""
_DILIGENCE = """\
A customer's file, from `src/ringfence/diligence/lifecycle.py`. Steps that leave the state as it is
are not drawn: documents, owners, answers and names of a file that is verified or restricted, and what is renewed.
Everything else is refused as `file_may_not_do_that_now`.
"""


# -- commands --------------------------------------------------------------------------------------------------------


def verbs() -> Iterator[tuple[str, Any]]:
    """Every verb that does something, with its words on the command line."""
    from ringfence.__main__ import app

    def walk(command: Any, words: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
        below = getattr(command, "commands", {})
        if not below:
            yield " ".join(words), command
        for name, each in below.items():
            yield from walk(each, (*words, name))

    return walk(typer.main.get_command(app), ())


def commands() -> str:
    """The page of every verb with its options."""
    lines = [MADE, "# Commands\n", _COMMANDS]
    for words, command in verbs():
        arguments = " ".join(_argument(each) for each in command.params if each.param_type_name == "argument")
        lines += [f"\n## {words}\n", _plain(command.help), f"\n    ringfence {f'{words} {arguments}'.strip()}\n"]
        lines += _table(command.params)
    return "\n".join(lines) + "\n"


_COMMANDS = """\
`ringfence VERB --help` says the same. What each option means for an installation is in
[settings](../operate/settings.md); what `--json` prints is in [json.md](json.md).
"""


def _argument(parameter: Any) -> str:
    name = parameter.name.upper() + ("…" if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _table(parameters: Sequence[Any]) -> list[str]:
    rows = []
    for each in parameters:
        name = each.name.upper() if each.param_type_name == "argument" else f"{each.opts[0]}{_value(each)}"
        given = "" if each.required or each.default in (None, False, ()) else f" Default `{each.default}`."
        rows.append(f"| `{name}` | {_plain(each.help)}{given} |")
    return ["| | |", "|---|---|", *rows] if rows else []


def _value(parameter: Any) -> str:
    return "" if getattr(parameter, "is_flag", False) else f" {parameter.name.upper()}"


def _plain(text: str | None) -> str:
    return re.sub(r"\s+", " ", (text or "").replace("|", "\\|")).strip()


if __name__ == "__main__":
    sys.exit(main())
