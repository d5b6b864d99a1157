"""The verbs that run a process: serve, gateway, notary."""

from pathlib import Path
from typing import Annotated

import typer

from ringfence.command import BookName, Home, verb


def serve(
    home: Home = None,
    book: BookName = "demo",
    host: Annotated[str, typer.Option(help="Address to listen on / 监听地址。")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on / 监听端口。")] = 8400,
    profile: Annotated[str, typer.Option(help="Regime profile of the risk rules / 风险规则的监管配置。")] = "eu-psd2",
    sanctions: Annotated[
        Path | None,
        typer.Option(help="Description of the sanctions lists (TOML); else the sample / 制裁名单描述文件。"),
    ] = None,
    name: Annotated[list[str] | None, typer.Option(help="Further host name to answer for / 另外应答的主机名。")] = None,
    secure: Annotated[
        bool, typer.Option("--secure", help="Readers come by https through a proxy / 经代理以 https 访问。")
    ] = False,
) -> None:
    """Run the core: API and console / 运行核心：接口与控制台。"""
    from ringfence import installation
    from ringfence.serve import serve_core

    with verb(home) as screen, installation.joined(screen.settings, "core", book) as server:
        serve_core(
            screen.settings,
            server,
            book,
            host=host,
            port=port,
            profile=profile,
            sanctions=sanctions,
            names=name or (),
            secure=secure,
        )


def gateway(home: Home = None, book: BookName = "demo") -> None:
    """Run the gateway to the banks / 运行银行网关。"""
    from ringfence import installation
    from ringfence.serve import serve_gateway

    with verb(home) as screen, installation.joined(screen.settings, "gateway", book) as server:
        serve_gateway(screen.settings, server, book)


def notary(home: Home = None, book: BookName = "demo") -> None:
    """Run the notary: replay, sign, re-read / 运行公证：重放、签名、复读。"""
    from ringfence import installation
    from ringfence.serve import serve_notary

    with verb(home) as screen, installation.joined(screen.settings, "notary", book) as server:
        serve_notary(screen.settings, server, book)
