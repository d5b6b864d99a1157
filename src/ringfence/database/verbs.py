"""The verb `migrate`."""

from ringfence.command import AsJson, Home, verb


def migrate(home: Home = None, as_json: AsJson = False) -> None:
    """Create roles, database and tables, or bring them up to this version / 建立或升级数据库。"""
    from ringfence.database.migrate import Migration
    from ringfence.database.server import open_server, prepare

    applied: list[Migration] = []
    with (
        verb(home, as_json=as_json) as screen,
        open_server(screen.settings.home, screen.settings.database_url) as server,
    ):
        prepare(server, applied.append)
        for each in applied:
            screen.say(f"applied {each.number:04d} {each.name}", f"已执行 {each.number:04d} {each.name}")
        screen.say(f"The database at {server.address} is ready.", f"数据库 {server.address} 已就绪。")
        screen.result({"database": server.address, "applied": [each.name for each in applied]})
