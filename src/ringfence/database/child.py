"""How PostgreSQL becomes a child that cannot outlive its supervisor, and never root.

On Linux the kernel is asked to signal the child when its parent dies (prctl(2), PR_SET_PDEATHSIG), by the child itself
before it becomes PostgreSQL; a parent that died before that is seen by its number. As root the child first enters
a user namespace in which root is called user 1000 (user_namespaces(7)): PostgreSQL then does not see root, keeps no
capability after exec, and files still belong to root outside.

Both happen between fork and exec of a supervisor with one thread.
"""

import ctypes
import errno
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_NAME_OF_ROOT_INSIDE = 1000
_PROGRAMS_OUT_OF_REACH, _FOLDER_OUT_OF_REACH, _UNKNOWN = 251, 252, 253  # exit codes above every errno


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def enter_user_namespace() -> None:
    """Make this process, root's, user 1000 of a new user namespace. OSError where the machine forbids it."""
    user, group = os.geteuid(), os.getegid()
    _checked(_libc().unshare(_CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")  # required before an unprivileged gid_map
    Path("/proc/self/uid_map").write_text(f"{_NAME_OF_ROOT_INSIDE} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{_NAME_OF_ROOT_INSIDE} {group} 1")


def becoming(death_signal: signal.Signals) -> Callable[[], None]:
    """What the child does between fork and exec."""
    parent = os.getpid()
    root = os.geteuid() == 0

    def become() -> None:
        if sys.platform == "linux":
            if root:
                enter_user_namespace()
            _checked(_libc().prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0))
            if os.getppid() != parent:
                os._exit(1)
        os.umask(0o077)

    return become


def namespace_forbids(program: Path, folder: Path) -> tuple[str, str] | None:
    """None, or why root's child would not work: ("forbidden", reason) or ("out_of_reach", path). Tried in a child."""
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        return ("forbidden", "there are none on this system")
    child = os.fork()
    if child == 0:
        code = _UNKNOWN
        with suppress(BaseException):  # whatever happens, the child must not go on as a second supervisor
            code = _try_namespace(program, folder)
        os._exit(code)
    _, status = os.waitpid(child, 0)
    match os.waitstatus_to_exitcode(status):
        case 0:
            return None
        case 251 | 252 as code:
            return ("out_of_reach", str(program if code == _PROGRAMS_OUT_OF_REACH else folder))
        case errno.ENOSPC:
            return ("forbidden", "user.max_user_namespaces is reached")
        case code:
            return ("forbidden", os.strerror(code) if 0 < code < _PROGRAMS_OUT_OF_REACH else f"exit {code}")


def _try_namespace(program: Path, folder: Path) -> int:
    """Zero, or an exit code. Capabilities inside do not help with files of unmapped owners, so access(2) is right."""
    try:
        enter_user_namespace()
    except OSError as error:
        return error.errno if error.errno and error.errno < _PROGRAMS_OUT_OF_REACH else _UNKNOWN
    if not os.access(program, os.R_OK | os.X_OK):
        return _PROGRAMS_OUT_OF_REACH
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return _FOLDER_OUT_OF_REACH
    return 0


def postgres_in(cluster: Path, first: int | None) -> list[int]:
    """The numbers of the PostgreSQL processes that work in this data folder.

    On Linux all of them, by their working folder; elsewhere the first alone, if that number still is a `postgres`.
    """
    if sys.platform != "linux":
        if first is None:
            return []
        name = subprocess.run(["ps", "-o", "comm=", "-p", str(first)], capture_output=True, text=True, check=False)
        return [first] if Path(name.stdout.strip()).name == "postgres" else []
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(OSError):
                if (process / "comm").read_text().strip() == "postgres" and (process / "cwd").samefile(cluster):
                    found.append(int(process.name))
    return found
