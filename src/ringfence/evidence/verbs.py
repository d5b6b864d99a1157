"""The verb `evidence`: the folder for a stranger, and the log over HTTP."""

from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, BookName, Home, require_free, verb

evidence = typer.Typer(help="Evidence for strangers / 供外部核验的证据。", no_args_is_help=True)


@evidence.callback()
def _evidence() -> None:
    pass


@evidence.command("export")
def export_(
    folder: Annotated[Path, typer.Argument(help="A new folder / 新文件夹。")],
    receipt: Annotated[list[UUID] | None, typer.Option(help="Id of a row to prove / 需证明的行标识。")] = None,
    home: Home = None,
    book: BookName = "demo",
    as_json: AsJson = False,
) -> None:
    """Export what the notary signed, and check it once more / 导出公证签名的证据并复核。"""
    from ringfence.evidence.checking import check_export
    from ringfence.evidence.export import LOG_HAS_NO_CHECKPOINT, export
    from ringfence.evidence.keys import log_folder, origin_of, read_verifier

    with verb(home, as_json=as_json) as screen:
        log = log_folder(screen.settings.home, book)
        if not (log / "checkpoint").exists():
            raise LOG_HAS_NO_CHECKPOINT(origin=origin_of(book))
        export(folder, log, read_verifier(log), receipt or [])
        said = check_export(folder)
        screen.result(said)
        screen.table(
            (("", ""), ("check", "检查"), ("", "")),
            [
                ("[green]✓[/]" if check["valid"] else "[red]✗[/]", check["name"], check["detail"])
                for check in said["checks"]
            ],
        )
        screen.say(
            f"{folder}: {said['size']} rows, root {said['root']}; check it with verifier/verify.py",
            f"{folder}：{said['size']} 行，根 {said['root']}；可用 verifier/verify.py 核验",
        )
        if not said["valid"]:
            raise typer.Exit(EXIT_VERDICT_NO)


@evidence.command("serve")
def serve(
    home: Home = None,
    host: Annotated[str, typer.Option(help="Address to listen on / 监听地址。")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on / 监听端口。")] = 8420,
) -> None:
    """Serve the logs to whoever reads C2SP's / 以 C2SP 格式对外提供证据日志。"""
    from ringfence.evidence.serving import application
    from ringfence.evidence.serving import serve as serve_application

    with verb(home) as screen:
        require_free(host, port)
        screen.say(
            f"http://{host}:{port}/log/BOOK/checkpoint; who reaches it reads every row",
            f"http://{host}:{port}/log/账簿/checkpoint；能访问者即可读取全部账行",
        )
        serve_application(application(screen.settings.home / "evidence"), host, port)
