"""The verb `rules`: the risk rules in force, and others proposed."""

from pathlib import Path
from typing import Annotated

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb

rules = typer.Typer(help="The risk rules by which orders are judged / 风险规则。", no_args_is_help=True)


@rules.command("show")
def show(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Print the risk rules in force / 显示现行风险规则。"""
    from ringfence import installation
    from ringfence.authority.rule_packs import pack_in_force
    from ringfence.core import wall_clock
    from ringfence.ledger.reading import book_named

    with verb(home, as_json=as_json) as screen:
        with installation.opened(screen.settings) as server, server.connect("auditor") as connection:
            found = pack_in_force(connection, book_named(connection, book).book_id, wall_clock())
        text = found.document.decode()
        screen.say(text, text)
        screen.result(
            {
                "book": book,
                "version": found.version,
                "effective_from": found.effective_from.isoformat(),
                "sha256": found.sha256,
                "lists": list(found.lists),
                "document": text,
            }
        )


@rules.command("propose")
def propose(
    file: Annotated[Path, typer.Argument(help="The whole file of rules (TOML) / 完整的规则文件。")],
    login: Login,
    screened: Annotated[
        list[str] | None, typer.Option("--list", help="A list to be screened; none: as now / 须筛查的名单。")
    ] = None,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose other risk rules, in force once others have approved them / 提议新风险规则，获批后生效。"""
    from ringfence.authority import founders, rule_packs
    from ringfence.risk import packs

    with verb(home, as_json=as_json) as screen:
        text = founders.read_text(file)
        with signed_in(screen, book, login) as (core, session):
            with core.connection() as connection:
                standing = rule_packs.pack_in_force(connection, core.book.book_id, core.clock())
            lists = list(standing.lists) if screened is None else screened
            made = packs.propose(core, session, text, lists)
        screen.say(f"Proposed: {made.proposal_id}", f"已提议：{made.proposal_id}")
        screen.result({"book": book, "proposal": str(made.proposal_id), "sha256": packs.sha256_of(text.encode())})
