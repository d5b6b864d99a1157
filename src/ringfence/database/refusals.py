"""What the database says no to, and how a PostgreSQL error becomes a refusal.

Errors are recognised by SQLSTATE and by constraint name, never by their text. A package registers its constraints::

    register({"account_must_not_go_negative": ACCOUNT_MUST_NOT_GO_NEGATIVE})

and runs its statements inside `refusing()`. What is not recognised stays what it is: a defect, which raises.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ringfence.refusal import Fault, Refusal, Refused, refusal

if TYPE_CHECKING:
    import psycopg

PLATFORM_HAS_NO_EMBEDDED_DATABASE = refusal(
    "platform_has_no_embedded_database",
    Fault.MACHINE,
    en="No PostgreSQL comes with this installation on {platform}: {detail}. Set RINGFENCE_DATABASE_URL to your own"
    " PostgreSQL 15 or later.",
    zh="此安装在 {platform} 上不含 PostgreSQL：{detail}。请将 RINGFENCE_DATABASE_URL 设为您自己的 PostgreSQL"
    " 15 或更高版本。",
)
HOME_IS_NOT_WRITABLE = refusal(
    "home_is_not_writable",
    Fault.MACHINE,
    en="The folder {path} cannot be written: {detail}. Choose another with --home.",
    zh="无法写入文件夹 {path}：{detail}。请用 --home 另选。",
)
HOME_BELONGS_TO_SOMEBODY_ELSE = refusal(
    "home_belongs_to_somebody_else",
    Fault.MACHINE,
    en="{path} belongs to user {owner}, and this is user {user}. Run as its owner, or choose another --home.",
    zh="{path} 属于用户 {owner}，当前用户为 {user}。请以其所有者身份运行，或用 --home 另选。",
)
HOME_IS_OUT_OF_REACH = refusal(
    "home_is_out_of_reach",
    Fault.MACHINE,
    en="PostgreSQL, started by root without root's powers, cannot reach {path}: a folder above it is closed to others."
    " Run as the owner of that folder instead of root.",
    zh="以 root 启动但不具 root 权限的 PostgreSQL 无法访问 {path}：其上级文件夹不对他人开放。请以该文件夹的"
    "所有者身份运行。",
)
NAMESPACE_IS_FORBIDDEN = refusal(
    "namespace_is_forbidden",
    Fault.MACHINE,
    en="PostgreSQL does not run as root, and this machine forbids root a user namespace ({detail}). Run as an ordinary"
    " user, or set RINGFENCE_DATABASE_URL to your own PostgreSQL 15 or later.",
    zh="PostgreSQL 不以 root 运行，而本机不允许 root 建立用户命名空间（{detail}）。请以普通用户运行，或将"
    " RINGFENCE_DATABASE_URL 设为您自己的 PostgreSQL 15 或更高版本。",
)
DISK_IS_FULL = refusal(
    "disk_is_full",
    Fault.MACHINE,
    en="The disk of {path} is full or nearly so. Nothing was lost; make room and start again.",
    zh="{path} 所在磁盘已满或将满。数据未丢失；请腾出空间后重新启动。",
)
DATABASE_IS_OF_ANOTHER_VERSION = refusal(
    "database_is_of_another_version",
    Fault.MACHINE,
    en="The database in {path} was made by PostgreSQL {found}, and this installation has {expected}. Install the"
    " version that made it, dump, and load into a new home.",
    zh="{path} 中的数据库由 PostgreSQL {found} 创建，此安装为 {expected}。请安装原版本导出后，再导入新的主目录。",
)
DATABASE_IS_HELD_BY_ANOTHER_SERVER = refusal(
    "database_is_held_by_another_server",
    Fault.MACHINE,
    en="A PostgreSQL that Ringfence did not start (number {pid}) runs on {path}. Stop it first.",
    zh="{path} 上正运行着一个非 Ringfence 启动的 PostgreSQL（进程 {pid}）。请先停止它。",
)
SOCKET_IS_TAKEN = refusal(
    "socket_is_taken",
    Fault.MACHINE,
    en="The socket folder {path} cannot be used: {detail}.",
    zh="无法使用套接字文件夹 {path}：{detail}。",
)
PORT_IS_TAKEN = refusal(
    "port_is_taken",
    Fault.MACHINE,
    en="Port {port} of 127.0.0.1 is in use by another program. Choose another port.",
    zh="127.0.0.1 的端口 {port} 已被其他程序占用。请另选端口。",
)
DATABASE_RUNS_WITH_OTHER_SETTINGS = refusal(
    "database_runs_with_other_settings",
    Fault.STATE,
    en="The database of {path} already runs, for another process, with other settings. Stop that process first.",
    zh="{path} 的数据库已由另一进程以其他设置启动。请先停止该进程。",
)
DATABASE_DOES_NOT_START = refusal(
    "database_does_not_start",
    Fault.MACHINE,
    en="PostgreSQL does not start; its last words, in {log}: {detail}",
    zh="PostgreSQL 无法启动；其最后的日志见 {log}：{detail}",
)

DATABASE_URL_IS_WRONG = refusal(
    "database_url_is_wrong",
    Fault.INPUT,
    en="RINGFENCE_DATABASE_URL is not a PostgreSQL address: {detail}. It reads postgresql://user@host:port/database.",
    zh="RINGFENCE_DATABASE_URL 不是 PostgreSQL 地址：{detail}。格式为 postgresql://user@host:port/database。",
)
DATABASE_IS_UNREACHABLE = refusal(
    "database_is_unreachable",
    Fault.MACHINE,
    en="No PostgreSQL answers at {address}: {detail}",
    zh="{address} 没有 PostgreSQL 应答：{detail}",
)
DATABASE_REFUSES_THE_LOGIN = refusal(
    "database_refuses_the_login",
    Fault.PERMISSION,
    en="PostgreSQL at {address} does not let {user} in: {detail}",
    zh="{address} 的 PostgreSQL 拒绝 {user} 登录：{detail}",
)
DATABASE_IS_TOO_OLD = refusal(
    "database_is_too_old",
    Fault.MACHINE,
    en="PostgreSQL at {address} is version {found}; Ringfence needs 15 or later.",
    zh="{address} 的 PostgreSQL 版本为 {found}；Ringfence 需要 15 或更高版本。",
)
DATABASE_RIGHTS_ARE_INSUFFICIENT = refusal(
    "database_rights_are_insufficient",
    Fault.PERMISSION,
    en="The user {user} of {address} may not {missing}. Give it CREATEROLE and CREATEDB, or use a superuser.",
    zh="{address} 的用户 {user} 无权 {missing}。请授予 CREATEROLE 与 CREATEDB，或改用超级用户。",
)
DATABASE_ROLE_HAS_ANOTHER_PASSWORD = refusal(
    "database_role_has_another_password",
    Fault.PERMISSION,
    en="The role {role} exists at {address} with another password than {path} holds. Copy the keys of the installation"
    " that made it, or migrate with new passwords (which shuts that installation out).",
    zh="{address} 上的角色 {role} 已存在，但密码与 {path} 不符。请复制创建它的安装的密钥，或在迁移时换新密码"
    "（原安装将无法登录）。",
)
LOGIN_NAME_IS_TOO_LONG = refusal(
    "login_name_is_too_long",
    Fault.INPUT,
    en="The login {login} would be longer than the {most} bytes of a name in PostgreSQL: this book keeps the shared"
    " logins.",
    zh="登录名 {login} 超过 PostgreSQL 名称的 {most} 字节上限：该账簿只能使用共用登录。",
)
DATABASE_IS_NOT_PREPARED = refusal(
    "database_is_not_prepared",
    Fault.STATE,
    en="{detail}. Run `ringfence migrate` first.",
    zh="{detail}。请先运行 `ringfence migrate`。",
)
KEY_IS_MISSING = refusal(
    "key_is_missing",
    Fault.MACHINE,
    en="The password of {role} is not in {path}, or this user may not read it: {detail}."
    " Run `ringfence migrate`, or copy the keys of the installation that did.",
    zh="{path} 中没有 {role} 的密码，或当前用户无权读取：{detail}。请运行 `ringfence migrate`，"
    "或复制已运行过它的安装的密钥。",
)

MIGRATION_HISTORY_WAS_ALTERED = refusal(
    "migration_history_was_altered",
    Fault.STATE,
    en="Migration {number} was applied as {applied} and is now {found}. History is not rewritten; add a migration.",
    zh="迁移 {number} 应用时为 {applied}，现为 {found}。历史不可改写；请新增迁移。",
)
DATABASE_IS_NEWER_THAN_THE_PROGRAM = refusal(
    "database_is_newer_than_the_program",
    Fault.STATE,
    en="The database stands at migration {applied}, this program knows {known}. Use the newer program.",
    zh="数据库已到迁移 {applied}，本程序只知 {known}。请使用较新的程序。",
)
DATABASE_IS_OLDER_THAN_THE_PROGRAM = refusal(
    "database_is_older_than_the_program",
    Fault.STATE,
    en="The database stands at migration {applied}, this program needs {known}. Run `ringfence migrate`.",
    zh="数据库在迁移 {applied}，本程序需要 {known}。请运行 `ringfence migrate`。",
)

DATABASE_IS_LOST = refusal(
    "database_is_lost",
    Fault.MACHINE,
    en="The connection to the database was lost. What was answered is kept; what was not may or may not be: ask again.",
    zh="与数据库的连接已断开。已应答的均已保存；未应答的结果未知：请重新查询。",
)
SOMEBODY_WAS_FASTER = refusal(
    "somebody_was_faster",
    Fault.STATE,
    en="Another change came in between. Read again and retry.",
    zh="期间已有其他变更。请重新读取后再试。",
)
DATABASE_TOOK_TOO_LONG = refusal(
    "database_took_too_long",
    Fault.MACHINE,
    en="The database did not finish in time, and nothing was changed.",
    zh="数据库未能及时完成，未作任何更改。",
)
ROLE_MAY_NOT = refusal(
    "role_may_not",
    Fault.PERMISSION,
    en="The database forbids this to this role: {detail}",
    zh="数据库不允许该角色执行此操作：{detail}",
)

RETRIED_BY_CALLERS = frozenset({SOMEBODY_WAS_FASTER.name})
"""Refusals after which the same transaction may be run again at once."""

_OUR_STATE = re.compile(r"RF[0-9A-Z]{3}", re.ASCII)
_of_constraint: dict[str, Refusal] = {}
_of_state: dict[str, Refusal] = {
    "40001": SOMEBODY_WAS_FASTER,  # serialization_failure
    "40P01": SOMEBODY_WAS_FASTER,  # deadlock_detected
    "53100": DISK_IS_FULL,
    "55P03": DATABASE_TOOK_TOO_LONG,  # lock_not_available
    "57014": DATABASE_TOOK_TOO_LONG,  # query_canceled (statement_timeout)
    "57P01": DATABASE_IS_LOST,  # admin_shutdown
    "57P02": DATABASE_IS_LOST,  # crash_shutdown
    "57P03": DATABASE_IS_LOST,  # cannot_connect_now
    "57P05": DATABASE_IS_LOST,  # idle_session_timeout
    "25P03": DATABASE_IS_LOST,  # idle_in_transaction_session_timeout
    "25P04": DATABASE_TOOK_TOO_LONG,  # transaction_timeout
    "25006": ROLE_MAY_NOT,  # read_only_sql_transaction
    "42501": ROLE_MAY_NOT,  # insufficient_privilege
}


def register(refusals: Mapping[str, Refusal]) -> None:
    """Say what a violated constraint means, or an SQLSTATE of our own (RFxxx, raised by a function of a package).

    Each stands for one refusal in the whole program.
    """
    for name, meaning in refusals.items():
        known = _of_state if _OUR_STATE.fullmatch(name) else _of_constraint
        if known.setdefault(name, meaning) is not meaning:
            raise ValueError(f"{name} already stands for {known[name].name}")


def refused_by(error: "psycopg.Error") -> Refused | None:
    """The refusal that a PostgreSQL error stands for, or None for a defect."""
    import psycopg

    constraint = error.diag.constraint_name
    if constraint and constraint in _of_constraint:
        return _of_constraint[constraint](constraint=constraint, detail=error.diag.message_detail or "")
    state = error.sqlstate
    if state in _of_state:
        return _of_state[state](path="PostgreSQL", detail=error.diag.message_primary or "")
    if (state or "").startswith("08") or (state is None and isinstance(error, psycopg.OperationalError)):
        return DATABASE_IS_LOST()  # no SQLSTATE at all: libpq speaks, not the server
    return None


@contextmanager
def refusing() -> Iterator[None]:
    """Turn the PostgreSQL errors of the block into refusals; defects pass."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        meaning = refused_by(error)
        if meaning is None:
            raise
        raise meaning from error
