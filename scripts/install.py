"""Install requirements.lock, with its hashes, and this project into the environment that runs this; show a bar.

Standard library alone: it runs before anything is installed. The whole output of pip is kept in install.log of the
environment, and its end is printed when pip fails.
"""
# ruff: noqa: INP001 - a program of its own folder, not a package

import re
import subprocess
import sys
import sysconfig
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
_BAR = 30
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
_FOUND = re.compile(r"^(?:Collecting|Processing|Requirement already satisfied:|Ignoring) ", re.MULTILINE)
_tenths_said: set[int] = set()


def say(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def show(done: int, total: int, step: str) -> None:
    """One line, rewritten on a terminal; elsewhere a line for each tenth of the way."""
    filled = _BAR * done // total
    full, empty = ("█", "·") if (sys.stderr.encoding or "").lower().startswith("utf") else ("#", ".")
    line = f"ringfence: {step:<10} [{full * filled}{empty * (_BAR - filled)}] {100 * done // total:3d} %"
    if sys.stderr.isatty():
        say(f"\r\x1b[K{line}")
    elif done * 10 // total not in _tenths_said:
        _tenths_said.add(done * 10 // total)
        say(line + "\n")


def install(log: Path) -> int:
    """Run pip on the lock; its exit code. Half of the way is finding the packages, half is unpacking them."""
    total = len(re.findall(r"^[a-z0-9].*==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    site = Path(sysconfig.get_path("purelib"))
    command = [*_PIP, "--progress-bar", "off", "--require-hashes", "-r", str(LOCK)]
    with log.open("w", encoding="utf-8") as kept:
        pip = subprocess.Popen(command, stdout=kept, stderr=subprocess.STDOUT)
        while pip.poll() is None:
            said = log.read_text(encoding="utf-8", errors="replace")
            unpacked = len(list(site.glob("*.dist-info"))) if "Installing collected packages" in said else 0
            found = total if unpacked else len(_FOUND.findall(said))
            show(min(found, total) + min(unpacked, total), 2 * total, "unpacking" if unpacked else "fetching")
            time.sleep(0.2)
    if pip.returncode == 0:
        show(2 * total, 2 * total, "installed")
    return pip.returncode


def main() -> int:
    """Everything, or the reason why not."""
    log = Path(sys.prefix) / "install.log"
    code = install(log)
    if sys.stderr.isatty():
        say("\n")
    if code == 0:
        # Without build isolation: the build backend is in the lock, so nothing is fetched that has no hash.
        project = [*_PIP, "--quiet", "--no-deps", "--no-build-isolation", "--editable", str(ROOT)]
        with log.open("a", encoding="utf-8") as kept:
            code = subprocess.run(project, stdout=kept, stderr=subprocess.STDOUT, check=False).returncode
    if code != 0:
        say("".join(log.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)[-15:]))
        say(f"ringfence: pip failed; its whole output is in {log}\n")
    return code


if __name__ == "__main__":
    sys.exit(main())
