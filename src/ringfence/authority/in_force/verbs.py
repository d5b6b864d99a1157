"""The verb `policy`: the document in force, and another one proposed."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import AsJson, BookName, Home, verb

policy = typer.Typer(help="Who must approve what / 授权政策。", no_args_is_help=True)


@policy.command("show")
def show(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Print the policy in force / 显示现行政策。"""
    from ringfence import installation
    from ringfence.authority.policy import policy_in_force
    from ringfence.core import wall_clock
    from ringfence.ledger.reading import book_named

    with verb(home, as_json=as_json) as screen:
        with installation.opened(screen.settings) as server, server.connect("auditor") as connection:
            found = policy_in_force(connection, book_named(connection, book).book_id, wall_clock())
        document = json.loads(found.policy.document)
        said = json.dumps(document, ensure_ascii=False, indent=2)
        screen.say(said, said)
        screen.result(
            {
                "book": book,
                "version": found.version,
                "effective_from": found.effective_from.isoformat(),
                "sha256": found.policy.sha256.hex(),
                "policy": document,
            }
        )


@policy.command("propose")
def propose(
    file: Annotated[Path, typer.Argument(help="The whole policy (TOML) / 完整的政策文件。")],
    login: Login,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Propose another policy, in force once others have approved it / 提议新政策，获批后生效。"""
    from ringfence.authority import founders, policies
    from ringfence.authority.policy import read_toml

    with verb(home, as_json=as_json) as screen:
        wanted = read_toml(founders.read_text(file))
        with signed_in(screen, book, login) as (core, session):
            made = policies.propose_policy(core, session, wanted, core.clock())
        screen.say(f"Proposed: {made.proposal_id}", f"已提议：{made.proposal_id}")
        screen.result({"book": book, "proposal": str(made.proposal_id), "sha256": wanted.sha256.hex()})
