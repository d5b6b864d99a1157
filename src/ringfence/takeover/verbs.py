"""The verb `import berka`: bring a real bank's book in, and prove it by the file's own running balances."""

from pathlib import Path
from typing import Annotated

import typer

from ringfence.command import AsJson, Home, verb

bring_in = typer.Typer(help="Bring an existing book in / 导入既有账簿。", no_args_is_help=True)


@bring_in.callback()
def _import() -> None:
    pass


@bring_in.command("berka")
def berka(
    folder: Annotated[Path, typer.Argument(help="Folder of the bank's tables / 数据文件夹。")],
    home: Home = None,
    book: Annotated[str, typer.Option(help="Name of the book to load into / 目标账簿。")] = "berka",
    as_json: AsJson = False,
) -> None:
    """Load the Berka bank as a book and prove every running balance / 导入 Berka 银行并逐笔核验余额。"""
    from ringfence import installation
    from ringfence.core import wall_clock
    from ringfence.ledger.journal import Journal
    from ringfence.takeover.load import book_for, take_over

    with verb(home, as_json=as_json) as screen, installation.opened(screen.settings) as server:
        with server.of(book).connect("core") as connection, screen.progress() as progress:
            found = book_for(connection, book, wall_clock())
            connection.commit()
            journal = Journal(lambda: server.of(book).connect("core"), found.book_id)
            task = screen.begin(progress, "loading and proving", "导入并核验", None)

            def advance(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total)

            said = take_over(folder, journal, connection, wall_clock, advance)
            journal.close()
        screen.result(said)
        words = {
            "customers": "客户", "accounts": "账户", "transactions": "交易", "balances_checked": "已核验余额",
            "roundings": "尾差", "seconds": "秒", "unexplained": "未解释差异",
        }  # fmt: skip
        rows = []
        for name, chinese in words.items():
            value = said[name]
            counted = len(value) if isinstance(value, list) else value
            rows.append((screen.word(name.replace("_", " "), chinese), str(counted)))
        screen.table((), rows)
        for each in said["unexplained"][:50]:
            screen.say(
                f"  account {each['account']} on {each['date']}: {each['amount']} is not explained by the file",
                f"  账户 {each['account']} {each['date']}：差额 {each['amount']} 文件无法解释",
            )
