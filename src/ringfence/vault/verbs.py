"""The verb `vault`: what is kept under which keys, other keys, a whole value, and which algorithms there are."""

from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.progress import Progress, TaskID

from ringfence.authority.verbs import Login, signed_in
from ringfence.command import EXIT_VERDICT_NO, AsJson, BookName, Home, Screen, verb
from ringfence.vault.census import Census

vault = typer.Typer(help="Sensitive fields and their keys / 敏感字段及其密钥。", no_args_is_help=True)


@vault.command("status")
def status(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """Count what is kept under which keys; ends with 1 if a row uses a retired key / 密钥使用情况。"""
    from ringfence import installation
    from ringfence.vault.census import census

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        with core.connection() as connection:
            found = census(connection, core.book.book_id)
        _tell(screen, book, found)


@vault.command("rotate")
def rotate_(
    keys: Annotated[
        str, typer.Option(help="Which keys: wrapping, field or all / 轮换范围：wrapping、field 或 all。")
    ] = "all",
    batch: Annotated[int, typer.Option(min=1, max=10_000, help="Rows of one transaction / 每个事务的行数。")] = 200,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Put other keys in place of those in use, while others write; goes on where it was broken off / 在线轮换密钥。"""
    from ringfence import installation
    from ringfence.settings import SETTING_IS_WRONG
    from ringfence.vault.census import census
    from ringfence.vault.rotation import Keys, rotate

    kinds: tuple[Keys, ...] = ("wrapping", "field")
    with verb(home, as_json=as_json) as screen:
        if keys not in (*kinds, "all"):
            raise SETTING_IS_WRONG(name="--keys", value=keys, expected="wrapping / field / all")
        with (
            installation.opened(screen.settings) as server,
            installation.core_of(server, book) as core,
            screen.progress() as progress,
        ):
            held = installation.vault_of(screen.settings, core)
            done = []
            for kind in kinds:
                if keys in (kind, "all"):
                    task = screen.begin(progress, f"{kind} keys", "包装密钥" if kind == "wrapping" else "字段密钥")
                    tell = partial(_advance, progress, task)
                    done.append(rotate(core, held, kind, batch=batch, progress=tell))
            with core.connection() as connection:
                found = census(connection, core.book.book_id)
        for each in done:
            screen.say(
                f"{each.keys} keys: {each.replaced} replaced, {each.changed} changed, {each.retired} retired.",
                f"{each.keys}：更换 {each.replaced}，重加密 {each.changed}，退役 {each.retired}。",
            )
        _tell(screen, book, found, rotated=[asdict(each) for each in done])


@vault.command("reveal")
def reveal_(
    field: Annotated[str, typer.Argument(help="Field, as custody.customer.phone / 字段。")],
    row: Annotated[str, typer.Argument(help="Id of the customer or order / 客户或指令编号。")],
    login: Login,
    reason: Annotated[
        str,
        typer.Option(help="Why: customer_asks, bank_asks, lawful_order, reconciliation, incident or audit / 原因。"),
    ],
    note: Annotated[str, typer.Option(help="For colleagues, not in the journal / 备注（不入账簿）。")] = "",
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Show one whole value to who signs in; the journal says who saw it and why / 查看一个明文值（入账簿）。"""
    from ringfence import installation
    from ringfence.vault.reveal import reveal

    with verb(home, as_json=as_json) as screen, signed_in(screen, book, login) as (core, session):
        found = reveal(core, installation.vault_of(screen.settings, core), session, field, row, reason, note)
        screen.say(f"{found.value}  (row {found.sequence})", f"{found.value}  （第 {found.sequence} 行）")
        screen.result({"book": book, "field": field, "row": row, "value": found.value, "sequence": found.sequence})


@vault.command("algorithms")
def algorithms(home: Home = None, as_json: AsJson = False) -> None:
    """Say which algorithms are preferred, accepted and forbidden, and which this machine has / 算法目录。"""
    from ringfence.vault.ciphers import available
    from ringfence.vault.key_file import AES, HYBRID, hybrid_is_available
    from ringfence.vault.key_token import TOKEN_ALGORITHM
    from ringfence.vault.providers import SERVER_ALGORITHM, read_choice

    with verb(home, as_json=as_json) as screen:
        choice = read_choice(screen.settings.home)
        here = {
            AES: True,
            HYBRID: hybrid_is_available(),
            SERVER_ALGORITHM: "server" in choice.providers,
            TOKEN_ALGORITHM: "pkcs11" in choice.providers,
        }
        said: list[dict[str, Any]] = [
            {"name": each.name, "use": list(each.use), "standing": each.standing, "source": each.source}
            | {"available": here[each.name] if each.name in here else available(each.name)}
            for each in choice.algorithms.by_name.values()
        ]
        screen.table(
            (("algorithm", "算法"), ("use", "用途"), ("standing", "状态"), ("here", "本机"), ("source", "来源")),
            [
                (
                    str(each["name"]), " ".join(each["use"]), str(each["standing"]), "✓" if each["available"] else "–",
                    str(each["source"]),
                )
                for each in said
            ],
        )  # fmt: skip
        chosen = {"field": choice.field, "wrap": choice.wrap, "provider": choice.provider}
        screen.say(f"New keys: {chosen}", f"新密钥：{chosen}")
        screen.result({"algorithms": said, "chosen": chosen})


def _advance(progress: Progress, task: TaskID, count: int) -> None:
    progress.update(task, completed=count)


def _tell(screen: Screen, book: str, found: Census, **more: object) -> None:
    screen.result({"book": book} | found.as_json() | more)
    wrapping = (("wrapping key", "包装密钥"), ("provider", "提供方"), ("state", "状态"))
    screen.table(
        (*wrapping, ("field keys", "字段密钥"), ("state", "状态"), ("keys", "密钥数"), ("fields", "字段数")),
        [
            (
                f"{each.wrapping_id} {each.wrap}", each.provider, each.wrapping_state, each.algorithm or "–",
                each.state or "–", str(each.keys), str(each.fields),
            )
            for each in found.lines
        ],
    )  # fmt: skip
    if found.left:
        screen.say(
            f"[bold red]{found.left} rows use a key that has left or is leaving[/]; run `ringfence vault rotate`.",
            f"[bold red]{found.left} 行仍使用已退役或待退役的密钥[/]；请运行 `ringfence vault rotate`。",
        )
        raise typer.Exit(EXIT_VERDICT_NO)
    screen.say("[bold green]No row uses a retired key.[/]", "[bold green]没有数据使用已退役的密钥。[/]")
