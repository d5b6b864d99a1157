"""The verb `liabilities`: the trees of closed days, a customer's proof, the auditor's pack, audit and signature."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, BookName, Home, verb
from ringfence.liabilities.refusals import NOTE_CANNOT_BE_READ

liabilities = typer.Typer(help="Proof of liabilities / 负债证明。", no_args_is_help=True)
Day = Annotated[datetime, typer.Argument(formats=["%Y-%m-%d"], help="Business day / 营业日。")]


@liabilities.command("list")
def list_(home: Home = None, book: BookName = "demo", as_json: AsJson = False) -> None:
    """The trees of closed days, and what could not be published / 已公布的负债树及未能公布者。"""
    from ringfence import installation
    from ringfence.liabilities import reading
    from ringfence.liabilities.proofs import as_told

    with (
        verb(home, as_json=as_json) as screen,
        installation.opened(screen.settings) as server,
        installation.core_of(server, book) as core,
        core.connection() as connection,
    ):
        notes = reading.attestations(connection, core.book.book_id)
        trees = [as_told(each, notes) for each in reading.history(connection, core.book.book_id)]
        refused = [
            {"day": each.day.isoformat(), "currency": each.currency, "refused": each.name, "facts": each.facts}
            for each in reading.unproven(connection, core.book.book_id)
        ]
        screen.result({"book": book, "trees": trees, "refused": refused})
        named = ("day", "currency", "total", "count", "negative_total")
        screen.table(
            [
                ("day", "日期"),
                ("currency", "币种"),
                ("total", "总额"),
                ("count", "人数"),
                ("owe", "欠款"),
                ("auditors", "审计"),
            ],
            [[*(str(each[name]) for name in named), ", ".join(each["auditors"]) or "-"] for each in trees],
        )
        for each in refused:
            screen.say(f"[red]{each['day']} {each['refused']}[/]", f"[red]{each['day']} {each['refused']}[/]")
        if refused:
            raise typer.Exit(EXIT_VERDICT_NO)


@liabilities.command("proof")
def proof(
    customer: Annotated[str, typer.Argument(help="Customer's number / 客户编号。")],
    when: Day,
    out: Annotated[
        Path | None, typer.Option("--out", help="File for the proof; else it is printed / 输出文件。")
    ] = None,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """A customer's proof of a day, to be verified by verifier/verify.py / 客户某日的负债证明。"""
    import rfc8785

    from ringfence import installation
    from ringfence.custody.customers import customer as customer_of
    from ringfence.evidence.keys import log_folder
    from ringfence.evidence.tiles import File, replace_file
    from ringfence.liabilities.proofs import proof_of
    from ringfence.vault.keeping import owner

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        desk = installation.liabilities_of(screen.settings, core, installation.vault_of(screen.settings, core))
        with core.connection() as connection:
            who = customer_of(connection, core.book.book_id, customer)
        log = log_folder(screen.settings.home, book)
        made = proof_of(desk, log, owner(who.customer_id), when.date(), who.currency)
        content = rfc8785.dumps(made)
        if out is not None:
            replace_file(out.parent, File(out.name, content))
            screen.result({"book": book, "customer": customer, "day": made["day"], "file": str(out)})
            screen.say(f"{out}: check it with verifier/verify.py", f"{out}：可用 verifier/verify.py 核验")
        else:
            screen.exactly(content)


@liabilities.command("pack")
def pack_(
    when: Day,
    out: Annotated[Path, typer.Option("--out", help="A new folder / 新文件夹。")],
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Everything an auditor needs, with what each customer has / 供审计方使用的全部资料，含每位客户金额。"""
    from ringfence import installation
    from ringfence.evidence.keys import log_folder, read_verifier
    from ringfence.liabilities.pack import pack

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        desk = installation.liabilities_of(screen.settings, core, installation.vault_of(screen.settings, core))
        log = log_folder(screen.settings.home, book)
        done = pack(desk, log, read_verifier(log), when.date(), out)
        files = sorted(each.name for each in (out / "liabilities").iterdir())
        screen.result(
            {
                "book": book,
                "day": when.date().isoformat(),
                "folder": str(out),
                "leaves": files,
                "size": done.checkpoint.size,
            }
        )
        screen.say(
            f"{out}: {', '.join(files)}. It shows who has what; give it to the auditor alone.",
            f"{out}：{'、'.join(files)}。其中可见每位客户的金额，仅可交予审计方。",
        )


@liabilities.command("audit")
def audit_(
    folder: Annotated[Path, typer.Argument(help="The pack / 资料文件夹。")],
    key: Annotated[
        Path | None,
        typer.Option("--key", help="The auditor's witness.key; without it nothing is signed / 审计方密钥文件。"),
    ] = None,
    notary: Annotated[
        Path | None,
        typer.Option("--notary", help="notary.vkey as it reached you another way / 另行取得的公证公钥文件。"),
    ] = None,
    before: Annotated[
        Path | None, typer.Option("--before", help="An earlier pack, whose nonces must not come again / 先前的资料。")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the notes; else the current one / 输出目录。")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Recompute every leaf, the root and the sum, and sign if all agrees; no database / 重算并签名。"""
    from rich.table import Table

    from ringfence.evidence.keys import read_verifier
    from ringfence.evidence.tiles import File, replace_file
    from ringfence.evidence.witness.keys import read_cosigners
    from ringfence.liabilities.attesting import sign
    from ringfence.liabilities.auditing import audit

    with verb(home, as_json=as_json) as screen:
        cosigners = read_cosigners(key) if key else []
        told: list[dict[str, Any]] = []
        table = Table("", screen.word("check", "检查"), "")
        given = read_verifier(notary.parent, notary.name) if notary else None
        for each in audit(folder, before, given):
            note = None
            if each.valid and cosigners:
                name = each.file.removesuffix(".leaves") + ".note"
                replace_file(out or Path(), File(name, sign(each.text, cosigners, int(datetime.now(UTC).timestamp()))))
                note = str((out or Path()) / name)
            checks = [{"name": step.name, "valid": step.valid, "detail": step.detail} for step in each.findings]
            told.append({"leaves": each.file, "valid": each.valid, "checks": checks, "note": note})
            for step in each.findings:
                table.add_row("[green]✓[/]" if step.valid else "[red]✗[/]", f"{each.file} {step.name}", step.detail)
        valid = all(each["valid"] for each in told)
        screen.result({"valid": valid, "trees": told})
        screen.show(table)
        for done in told:
            if done["note"]:
                screen.say(f"Signed: {done['note']}", f"已签名：{done['note']}")
        if not valid:
            raise typer.Exit(EXIT_VERDICT_NO)


@liabilities.command("attest")
def attest_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The auditor's note / 审计方的签名说明。")],
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Take an auditor's note into the book; the auditor stands in liabilities.toml / 将审计说明记入账簿。"""
    from ringfence import installation
    from ringfence.evidence.keys import origin_of
    from ringfence.liabilities.attesting import attest
    from ringfence.liabilities.settings import read_proving

    with verb(home, as_json=as_json) as screen, installation.opened_core(screen.settings, book) as core:
        try:
            note = file.read_bytes()
        except OSError as failed:
            raise NOTE_CANNOT_BE_READ(path=file, detail=failed.strerror) from None
        done = attest(core, read_proving(screen.settings.home), note, origin_of(book))
        said = {
            "auditor": done.auditor,
            "day": done.day.isoformat(),
            "currency": done.currency,
            "sequence": done.sequence,
        }
        screen.result({"book": book, **said})
        screen.say(
            f"{done.auditor} attests {done.day} {done.currency}: row {done.sequence}.",
            f"{done.auditor} 已证明 {done.day} {done.currency}：第 {done.sequence} 行。",
        )
