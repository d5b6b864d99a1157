"""How PostgreSQL becomes a child that cannot outlive its supervisor, and never root.

On Linux the kernel is asked to signal the child when its parent dies (prctl(2), PR_SET_PDEATHSIG), by the child itself
before it becomes PostgreSQL; a parent that died before that is seen by its number. As root the child first enters
a user namespace in which root is called user 1000 (user_namespaces(7)): PostgreSQL then does not see root, keeps no
capability after exec, and files still belong to root outside.

Both happen between fork and exec of a supervisor with one thread.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000
_NAME_OF_ROOT_INSIDE = 1000
_OUT_OF_REACH = 255


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


def namespace_forbids(programs: Path, folder: Path) -> tuple[str, str] | None:
    """None, or why root's child would not work: ("forbidden", reason) or ("out_of_reach", path). Tried in a child."""
    if os.geteuid() != 0:
        return None
    if sys.platform != "linux":
        return ("forbidden", "there are none on this system")
    child = os.fork()
    if child == 0:
        code = _OUT_OF_REACH
        try:
            enter_user_namespace()
            # Capabilities of the namespace do not help with files of unmapped owners, so access(2) tells the truth.
            code = 0 if os.access(programs, os.X_OK) else 251
            code = code or (0 if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else 252)
        except OSError as error:
            code = min(error.errno or 250, 250)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 0:
        return None
    if code in (251, 252):
        return ("out_of_reach", str(programs if code == 251 else folder))
    return ("forbidden", os.strerror(code) if code > 0 else f"signal {-code}")
