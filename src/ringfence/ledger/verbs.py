"""The verbs `book` and `journal`."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, Home, verb

book = typer.Typer(
    help="Books: found, open, account, client, list, logins, balances, entries"
    " / 账簿：创建、开立、账户、程序、列表、登录、余额、分录。",
    no_args_is_help=True,
)

journal = typer.Typer(
    help="The journal's parts: parts, seal, archive / 日志分区：列表、封存、归档。",
    no_args_is_help=True,
)


@book.command("open")
def open_(
    name: Annotated[str, typer.Argument(help="Name / 名称。")], home: Home = None, as_json: AsJson = False
) -> None:
    """Open a book / 开立账簿。"""
    from ringfence import installation
    from ringfence.core import wall_clock
    from ringfence.ledger.reading import open_book

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("core") as connection:
            found = open_book(connection, name, wall_clock())
        screen.say(
            f"Book {found.name} is open, number {found.book_id}.", f"账簿 {found.name} 已开立，编号 {found.book_id}。"
        )
        screen.result({"book": found.name, "number": found.book_id, "rows": found.head})


@book.command("list")
def list_(home: Home = None, as_json: AsJson = False) -> None:
    """List the books / 列出账簿。"""
    from ringfence import installation
    from ringfence.ledger.reading import books

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("owner") as owner:
            found = books(owner)
        screen.table(
            (("", ""), ("book", "账簿"), ("rows", "行数"), ("last written", "最后写入")),
            [
                (str(each.book_id), each.name, f"{each.head:,}", each.head_at.isoformat(timespec="seconds"))
                for each in found
            ],
        )
        screen.result({"books": [{"book": each.name, "number": each.book_id, "rows": each.head} for each in found]})


@book.command("logins")
def logins(
    name: Annotated[str, typer.Argument(help="Book / 账簿。")],
    own: Annotated[
        bool | None,
        typer.Option(
            "--own/--shared",
            help="Give the book logins of its own, or back the shared ones / 改用专用登录，或恢复共用登录。",
        ),
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Say which database logins serve a book, and change it / 查看或更改账簿的数据库登录。"""
    from ringfence import installation
    from ringfence.database import roles
    from ringfence.ledger import reading

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("owner") as owner:
            book_id = reading.book_named(owner, name).book_id
            if own:
                reading.serve_apart(owner, book_id, roles.create_logins(server, name))
            elif own is False:
                reading.serve_together(owner, book_id)
            found = reading.logins_of(owner, book_id)
        if own is False:
            roles.drop_logins(server, name)
        served = ", ".join(found)
        screen.say(f"{name} is served by {served}, and by nobody else.", f"账簿 {name} 仅由以下登录服务：{served}。")
        screen.result({"book": name, "logins": found})


@book.command("balances")
def balances(
    name: Annotated[str, typer.Argument(help="Book / 账簿。")],
    accounts: Annotated[str, typer.Argument(help="Names, % for any / 账户名，% 为任意。")] = "%",
    before: Annotated[int | None, typer.Option(help="Before this row of the journal / 截至此行之前。")] = None,
    value_date: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="With a value date up to this day / 起息日截至此日。")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Balances now, or as they were before a row, and by value date / 余额。"""
    from dataclasses import replace

    from ringfence import installation
    from ringfence.ledger import reading
    from ringfence.ledger.reading import balance_by_value_date as ask
    from ringfence.money import currency, format_minor

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.of(name).connect("core") as connection:
            book_id = reading.book_named(connection, name).book_id
            last = reading.LATEST if before is None else before
            found = reading.balances(connection, book_id, accounts, before=last, fresh=True)
            if value_date:
                day = value_date.date()
                found = [
                    replace(each, balance=ask(connection, book_id, each.name, day, before=last).balance)
                    for each in found
                ]
        rows = []
        said: list[dict[str, Any]] = []
        for each in found:
            unit = currency(each.currency)
            balance, held = format_minor(each.balance, unit), format_minor(each.held, unit)
            rows.append((each.name, balance, held, each.currency))
            said.append({"account": each.name, "balance": balance, "held": held, "currency": each.currency})
        screen.table((("account", "账户"), ("balance", "余额"), ("held", "冻结"), ("", "")), rows)
        screen.result({"book": name, "balances": said})


@book.command("entries")
def entries_(
    name: Annotated[str, typer.Argument(help="Book / 账簿。")],
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Forget them and make them again / 清空并重新生成。")
    ] = False,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """How far entries, from which balances are read, are behind the journal / 分录落后多少。"""
    from ringfence import installation
    from ringfence.ledger import reading
    from ringfence.ledger.entries import QUERIES, Entries

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.of(name).connect("core") as connection:
            book_id = reading.book_named(connection, name).book_id
            found = reading.lag(connection, book_id)
        if rebuild:
            with server.connect("owner") as owner:
                owner.execute(QUERIES.forget_entries, {"book": book_id})
            with server.of(name).connect("core") as connection, screen.progress() as progress:
                connection.autocommit = True
                task = screen.begin(progress, "entries", "分录")
                projector, reached, head = Entries(book_id), 0, 1
                while reached < head:
                    reached, head = projector.step(connection)
                    progress.update(task, completed=reached, total=head)
                found = reading.lag(connection, book_id)
        screen.say(
            f"Entries have {found.reached:,} rows; {found.rows:,} are missing, for {found.seconds:.2f} s.",
            f"分录已含 {found.reached:,} 行；尚缺 {found.rows:,} 行，已等 {found.seconds:.2f} 秒。",
        )
        said = {"rows": found.reached, "missing": found.rows, "seconds": round(found.seconds, 3), "rebuilt": rebuild}
        screen.result({"book": name, **said})


_Part = Annotated[int, typer.Argument(help="Number of the part / 分区编号。")]


@journal.command("parts")
def parts(home: Home = None, as_json: AsJson = False) -> None:
    """List the parts of the journal / 列出日志分区。"""
    from ringfence import installation
    from ringfence.ledger import partitions

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("owner") as owner:
            found = partitions.states(owner)
        rows = []
        for each in found:
            stands = [word for word, at in (("closed", each.closed_at), ("archived", each.archived_at)) if at]
            words = {"closed": screen.word("closed", "已关闭"), "archived": screen.word("archived", "已归档")}
            counted = (f"{each.rows:,}", str(each.books), str(each.sealed), f"{each.bytes:,}")
            where = ", ".join([*(words[word] for word in stands), *([each.tablespace] if each.tablespace else [])])
            rows.append((str(each.part), f"{each.first:,} – {each.last - 1:,}", *counted, where))
        figures = (("rows", "行数"), ("books", "账簿"), ("sealed", "已封存"), ("bytes", "字节"))
        screen.table((("part", "分区"), ("range", "范围"), *figures, ("", "")), rows)
        said = [
            {
                "part": each.part,
                "first": each.first,
                "last": each.last,
                "rows": each.rows,
                "books": each.books,
                "sealed": each.sealed,
                "bytes": each.bytes,
                "closed_at": each.closed_at.isoformat() if each.closed_at else None,
                "archived_at": each.archived_at.isoformat() if each.archived_at else None,
                "tablespace": each.tablespace,
                "file": each.file,
            }
            for each in found
        ]
        screen.result({"parts": said})


@journal.command("seal")
def seal(part: _Part, home: Home = None, as_json: AsJson = False) -> None:
    """Seal a part that books have left; close it once all have / 封存账簿已离开的分区。"""
    from ringfence import installation
    from ringfence.core import wall_clock
    from ringfence.ledger import partitions

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("owner") as owner, screen.progress() as progress:
            owner.autocommit = True
            task = screen.begin(progress, f"sealing part {part}", f"封存分区 {part}")
            found = partitions.seal(
                owner, part, wall_clock(), lambda done, total: progress.update(task, completed=done, total=total)
            )
        for each in found.seals:
            screen.say(
                f"{each.book}: {each.rows:,} rows, SHA-256 {each.sha256.hex()}",
                f"{each.book}：{each.rows:,} 行，SHA-256 {each.sha256.hex()}",
            )
        if found.closed:
            screen.say(f"Part {part} is closed.", f"分区 {part} 已关闭。")
        else:
            inside = ", ".join(found.inside)
            screen.say(f"Part {part} stays open: {inside} is still in it.", f"分区 {part} 未关闭：{inside} 仍在其中。")
        said = [{"book": each.book, "rows": each.rows, "sha256": each.sha256.hex()} for each in found.seals]
        screen.result({"part": part, "closed": found.closed, "inside": found.inside, "seals": said})
        if not found.closed:
            raise typer.Exit(EXIT_VERDICT_NO)


@journal.command("archive")
def archive(
    part: _Part,
    folder: Annotated[Path, typer.Argument(help="Folder for the file / 归档文件目录。")],
    tablespace: Annotated[
        str | None, typer.Option(help="Move the part to this tablespace / 将分区移至此表空间。")
    ] = None,
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Write a closed part to a file, and move it to cold storage / 将已关闭分区写入文件并移至冷存储。"""
    from ringfence import installation
    from ringfence.core import wall_clock
    from ringfence.ledger import partitions

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.connect("owner") as owner, screen.progress() as progress:
            owner.autocommit = True
            task = screen.begin(progress, f"archiving part {part}", f"归档分区 {part}")
            done = partitions.archive(
                owner,
                part,
                folder,
                wall_clock(),
                tablespace=tablespace,
                report=lambda rows, total: progress.update(task, completed=rows, total=total),
            )
        screen.say(
            f"{done.rows:,} rows of part {part} are in {done.path}, SHA-256 {done.sha256.hex()}.",
            f"分区 {part} 的 {done.rows:,} 行已写入 {done.path}，SHA-256 {done.sha256.hex()}。",
        )
        if done.tablespace:
            screen.say(f"The part lies in tablespace {done.tablespace}.", f"分区位于表空间 {done.tablespace}。")
        screen.result(
            {
                "part": part,
                "file": str(done.path),
                "rows": done.rows,
                "sha256": done.sha256.hex(),
                "tablespace": done.tablespace,
            }
        )
