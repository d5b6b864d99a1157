"""The verbs `migrate` and `placement`."""

from typing import Annotated

import typer

from ringfence.command import EXIT_VERDICT_NO, AsJson, Home, verb

NewPasswords = Annotated[
    bool, typer.Option("--new-passwords", help="Give the database roles new passwords / 为数据库角色换新密码。")
]


def migrate(home: Home = None, new_passwords: NewPasswords = False, as_json: AsJson = False) -> None:
    """Create roles, database and tables, or bring them up to this version / 建立或升级数据库。"""
    from ringfence.database.migrate import Migration
    from ringfence.database.server import open_server, prepare

    applied: list[Migration] = []
    with (
        verb(home, as_json=as_json) as screen,
        open_server(
            screen.settings.home, screen.settings.database_url, without_tls=screen.settings.database_without_tls
        ) as server,
    ):
        prepare(server, applied.append, new_passwords=new_passwords)
        for each in applied:
            screen.say(f"applied {each.number:04d} {each.name}", f"已执行 {each.number:04d} {each.name}")
        screen.say(f"The database at {server.address} is ready.", f"数据库 {server.address} 已就绪。")
        screen.result({"database": server.address, "applied": [each.name for each in applied]})


def placement(home: Home = None, as_json: AsJson = False) -> None:
    """Print the statements that spread books over nodes of Citus / 输出将账簿分布到 Citus 节点的语句。"""
    from ringfence.database import placement as places
    from ringfence.database.migrate import require_current
    from ringfence.database.server import open_server

    with (
        verb(home, as_json=as_json) as screen,
        open_server(
            screen.settings.home, screen.settings.database_url, without_tls=screen.settings.database_without_tls
        ) as server,
        server.connect("owner") as owner,
    ):
        require_current(owner)
        said, wrong = places.statements(owner), places.obstacles(owner)
        screen.result({"statements": said, "obstacles": [{"subject": each.subject, "why": each.why} for each in wrong]})
        for each in wrong:
            screen.say(f"-- {each.subject}: {each.why}", f"-- {each.subject}: {each.why}")
        if not as_json:
            typer.echo("\n".join(said))  # as it stands: for psql, not for people
        if wrong:
            raise typer.Exit(EXIT_VERDICT_NO)
