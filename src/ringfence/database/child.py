"""How PostgreSQL becomes a child that cannot outlive its supervisor, and never root.

On Linux the kernel is asked to signal the child when its parent dies (prctl(2), PR_SET_PDEATHSIG), by the child itself
before it becomes PostgreSQL; a parent that died before that is seen by its number.

PostgreSQL refuses to run as root. Root's child therefore takes a *guise*, the first of these that the machine allows:

  NAMESPACE  it enters a user namespace in which root is called otherwise (user_namespaces(7)); files stay root's
  STRANGER   it becomes a user number that nobody has, and keeps of root's powers only that to reach files
             (CAP_DAC_OVERRIDE, which the namespace's root has over root's files as well); its data folder is given to
             that number. This is what an ordinary container allows, where namespaces are forbidden.

initdb, unlike PostgreSQL itself, insists that the number it runs under is in the list of accounts. So inside the
namespace root is called by the number of some account (a name without any power there), and a stranger's data folder is
made under such a number before it is given away.

All of it happens between fork and exec of a supervisor with one thread.
"""

import ctypes
import errno
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from pathlib import Path

STRANGER = 60987  # of no account: between those of people and those that systemd gives out
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 8, 47, 2
_CAP_DAC_OVERRIDE = 1
_CAPABILITY_VERSION = 0x20080522
_CLONE_NEWUSER = 0x10000000
_PROGRAMS_OUT_OF_REACH, _FOLDER_OUT_OF_REACH, _UNKNOWN = 251, 252, 253  # exit codes above every errno


class Guise(Enum):
    """As whom PostgreSQL runs."""

    ITSELF = "itself"
    NAMESPACE = "namespace"
    STRANGER = "stranger"

    @property
    def owner(self) -> int:
        """Whose the data folder must be, by the numbers outside."""
        return STRANGER if self is Guise.STRANGER else os.geteuid()


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def _an_account() -> int:
    """The smallest number of an account that is not root's; 65534 last, which unknown owners are in a namespace."""
    numbers = {account.pw_uid for account in pwd.getpwall()} - {0}
    return min(numbers, key=lambda number: (number == 65534, number), default=1)


def _enter_namespace(name: int) -> None:
    user, group = os.geteuid(), os.getegid()
    _checked(_libc().unshare(_CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny")  # required before an unprivileged gid_map
    Path("/proc/self/uid_map").write_text(f"{name} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{name} {group} 1")


def _become_stranger(number: int) -> None:
    libc = _libc()
    _checked(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups([])
    os.setresgid(number, number, number)
    os.setresuid(number, number, number)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    only = 1 << _CAP_DAC_OVERRIDE
    _checked(libc.capset(header, (ctypes.c_uint32 * 6)(only, only, only, 0, 0, 0)))  # effective, permitted, inheritable
    _checked(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0))


def _take(guise: Guise, account: int | None) -> None:
    """OSError where the machine forbids it."""
    if guise is Guise.NAMESPACE:
        _enter_namespace(account or 1)
    elif guise is Guise.STRANGER:
        _become_stranger(account or STRANGER)


def becoming(guise: Guise, death_signal: signal.Signals, *, known: bool) -> Callable[[], None]:
    """What the child does between fork and exec; `known`: under the number of an account."""
    parent = os.getpid()
    account = _an_account() if known else None

    def become() -> None:
        _take(guise, account)
        if sys.platform == "linux":
            _checked(_libc().prctl(_PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0))  # a change of user would undo it
            if os.getppid() != parent:
                os._exit(1)
        os.umask(0o077)

    return become


def guise_here(program: Path, folder: Path) -> Guise | tuple[str, str]:
    """The guise that works here, or why none does: ("forbidden", reason) or ("out_of_reach", path)."""
    if os.geteuid() != 0:
        return Guise.ITSELF
    if sys.platform != "linux":
        return ("forbidden", "there are none on this system")
    first = _tried(Guise.NAMESPACE, program, folder)
    for guise, code in ((Guise.NAMESPACE, first), (Guise.STRANGER, first and _tried(Guise.STRANGER, program, folder))):
        if code == 0:
            return guise
    match first:
        case 251 | 252:
            return ("out_of_reach", str(program if first == _PROGRAMS_OUT_OF_REACH else folder))
        case errno.ENOSPC:
            return ("forbidden", "user.max_user_namespaces is reached")
        case _:
            return ("forbidden", os.strerror(first) if 0 < first < _PROGRAMS_OUT_OF_REACH else f"exit {first}")


def _tried(guise: Guise, program: Path, folder: Path) -> int:
    """Take the guise in a child and look from there: zero, an errno, or one of the codes above."""
    child = os.fork()
    if child == 0:
        code = _UNKNOWN
        with suppress(BaseException):  # whatever happens, the child must not go on as a second supervisor
            code = _seen_as(guise, program, folder)
        os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _UNKNOWN


def _seen_as(guise: Guise, program: Path, folder: Path) -> int:
    try:
        _take(guise, None)
    except OSError as error:
        return error.errno if error.errno and error.errno < _PROGRAMS_OUT_OF_REACH else _UNKNOWN
    # access(2) is right: a namespace's capabilities do not help with files of owners who have no name inside.
    if not os.access(program, os.R_OK | os.X_OK, effective_ids=True):
        return _PROGRAMS_OUT_OF_REACH
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return _FOLDER_OUT_OF_REACH
    return 0


def give_to(owner: int, folder: Path) -> None:
    """Make a folder and everything in it this user's, if it is another's (root's, under another guise before)."""
    if os.geteuid() != 0 or folder.stat().st_uid == owner:
        return
    for path, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(Path(path) / name, owner, owner, follow_symlinks=False)
    os.chown(folder, owner, owner)  # last: a crash before leaves the folder to be given again


def postgres_in(cluster: Path, first: int | None) -> list[int]:
    """The numbers of the PostgreSQL processes that work in this data folder.

    On Linux all of them, by their working folder, or where that may not be seen, the first one alone; elsewhere the
    first alone, if that number still is a `postgres`.
    """
    if sys.platform != "linux":
        if first is None:
            return []
        name = subprocess.run(["ps", "-o", "comm=", "-p", str(first)], capture_output=True, text=True, check=False)
        return [first] if Path(name.stdout.strip()).name == "postgres" else []
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                if (process / "comm").read_text().strip() == "postgres" and _works_in(process, cluster, first):
                    found.append(int(process.name))
    return found


def _works_in(process: Path, cluster: Path, first: int | None) -> bool:
    try:
        return (process / "cwd").samefile(cluster)
    except PermissionError:
        return int(process.name) == first
