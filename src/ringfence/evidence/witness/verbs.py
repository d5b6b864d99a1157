"""The verb `witness`: a witness's key and its logs, the program that signs, and what it has signed."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from ringfence.command import AsJson, Home, require_free, verb

witness = typer.Typer(
    help="A witness of other people's logs, for the bank or the auditor to run / 见证他人日志，供银行或审计方运行。",
    no_args_is_help=True,
)


@witness.command("init")
def init(
    name: Annotated[str, typer.Argument(help="The witness's name, such as bank.example/w1 / 见证方名称。")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Make the witness's keys and its memory, once / 一次性生成见证密钥与记录。"""
    from ringfence.evidence.witness.keys import found_keys, load_cosigners
    from ringfence.evidence.witness.state import found_state

    with verb(home, as_json=as_json) as screen:
        found_keys(screen.settings.home, name)
        found_state(screen.settings.home)
        keys = [str(each.key) for each in load_cosigners(screen.settings.home)]
        screen.result({"name": name, "keys": keys})
        screen.say("Give these lines to whoever runs the log:", "请将以下公钥行交给日志运行方：")
        for key in keys:
            screen.line(key)


@witness.command("add")
def add(
    key: Annotated[str, typer.Argument(help="The log's public key, a line of its notary.vkey / 日志公钥。")],
    home: Home = None,
    as_json: AsJson = False,
) -> None:
    """Watch one more log / 新增一份见证的日志。"""
    from ringfence.evidence.witness.keys import add_log, watched_logs

    with verb(home, as_json=as_json) as screen:
        add_log(screen.settings.home, key)
        names = [each.name for each in watched_logs(screen.settings.home)]
        screen.result({"logs": names})
        screen.say(f"Watched: {', '.join(names)}", f"已登记：{'、'.join(names)}")


@witness.command("serve")
def serve(
    home: Home = None,
    host: Annotated[str, typer.Option(help="Address to listen on / 监听地址。")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Port to listen on / 监听端口。")] = 8410,
) -> None:
    """Sign what continues what was signed before / 仅为延续既往记录的检查点签名。"""
    from ringfence.evidence.witness.keys import load_cosigners, watched_logs
    from ringfence.evidence.witness.server import application
    from ringfence.evidence.witness.server import serve as serve_application
    from ringfence.evidence.witness.state import State
    from ringfence.evidence.witness.witness import Witness

    with verb(home) as screen:
        require_free(host, port)
        cosigners, logs = load_cosigners(screen.settings.home), watched_logs(screen.settings.home)
        state = State(screen.settings.home)
        try:
            one = Witness(state, cosigners, logs, lambda: datetime.now(UTC))
            said = ", ".join(log.name for log in logs) or "-"
            screen.say(f"http://{host}:{port}/ witnesses {said}", f"http://{host}:{port}/ 见证 {said}")
            serve_application(application(one, logs), host, port)
        finally:
            state.close()


@witness.command("status")
def status(home: Home = None, as_json: AsJson = False) -> None:
    """What was signed last, and what was not / 最近签名的检查点及矛盾记录。"""
    from ringfence.evidence.witness.keys import load_cosigners, watched_logs
    from ringfence.evidence.witness.server import last_signed
    from ringfence.evidence.witness.state import State
    from ringfence.evidence.witness.witness import Witness

    with verb(home, as_json=as_json) as screen:
        cosigners, logs = load_cosigners(screen.settings.home), watched_logs(screen.settings.home)
        state = State(screen.settings.home, to_read=True)
        one = Witness(state, cosigners, logs, lambda: datetime.now(UTC))
        told: list[dict[str, Any]] = [last_signed(one, log) for log in logs]
        against, open_ = ([str(path) for path in each] for each in (state.contradictions(), state.unproven()))
        screen.result({"name": cosigners[0].name, "logs": told, "contradictions": against, "unproven": open_})
        rows = []
        for each in told:
            at = datetime.fromtimestamp(each["signed_at"], UTC).strftime("%Y-%m-%d %H:%M:%S") if each["size"] else "-"
            rows.append((each["origin"], str(each["size"] if each["size"] is not None else "-"), at))
        screen.table((("log", "日志"), ("rows", "行数"), ("signed (UTC)", "签名时间（UTC）")), rows)
        for path in against:
            screen.say(
                f"[bold red]signed by its log, which signed another tree of that size before: {path}[/]",
                f"[bold red]日志此前已为同一大小签过另一棵树：{path}[/]",
            )
        for path in open_:
            screen.say(
                f"signed by its log, and came with a proof that does not hold: {path}",
                f"日志已签名，但所附证明不成立：{path}",
            )
