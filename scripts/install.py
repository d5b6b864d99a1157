"""Install requirements.lock, with its hashes, and this project into the environment that runs this; show a bar.

Standard library alone: it runs before anything is installed. pip's whole output is kept in install.log of the
environment, and its end is printed when pip fails.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
_BAR = 30
_PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]


def say(line: str) -> None:
    sys.stderr.write(line)
    sys.stderr.flush()


def show(done: int, total: int, what: str) -> None:
    """One line that is rewritten on a terminal; elsewhere a line for every tenth package."""
    filled = _BAR * done // total
    bar = "█" * filled + "·" * (_BAR - filled)
    if not (sys.stderr.encoding or "").lower().startswith("utf"):
        bar = bar.replace("█", "#").replace("·", ".")
    line = f"ringfence: installing [{bar}] {done}/{total} {what}"
    if sys.stderr.isatty():
        say(f"\r\x1b[K{line[:110]}")
    elif done % 10 == 0 or done == total:
        say(line + "\n")


def install(log: Path) -> int:
    """Run pip on the lock; its exit code."""
    total = len(re.findall(r"^[a-z0-9].*==", LOCK.read_text(encoding="utf-8"), re.MULTILINE))
    done = 0
    show(done, total, "")
    command = [*_PIP, "--progress-bar", "off", "--require-hashes", "-r", str(LOCK)]
    with log.open("w", encoding="utf-8") as kept:
        pip = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
        assert pip.stdout is not None  # noqa: S101 - asked for above
        for line in pip.stdout:
            kept.write(line)
            if match := re.match(r"(?:Collecting|Requirement already satisfied:|Ignoring) ([\w.-]+)", line):
                done = min(done + 1, total)
                show(done, total, match[1])
            elif line.startswith("Installing collected packages"):
                show(total, total, "unpacking")
    return pip.wait()


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
