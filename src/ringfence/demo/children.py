"""The demo's processes: core, gateway and notary as children of this one. They die with it, and are started again if
they die alone.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ringfence.refusal import Fault, refusal

RESTARTS_MAX: Final = 20
_PR_SET_PDEATHSIG: Final = 1

PROCESS_DOES_NOT_STAY = refusal(
    "process_does_not_stay",
    Fault.MACHINE,
    en="The process {name} ended {times} times; its last words are in {log}.",
    zh="进程 {name} 已退出 {times} 次；其最后的日志见 {log}。",
)


class Children:
    """Processes by name, each with its log file."""

    def __init__(self, logs: Path) -> None:
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, Sequence[str]] = {}
        self._restarts: dict[str, int] = {}
        self._stopping = False
        self._lock = threading.Lock()

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Start `ringfence ARGUMENTS` and keep it running."""
        with self._lock:
            self._commands[name] = [sys.executable, "-m", "ringfence", *arguments]
            self._launch(name)

    def look(self) -> None:
        """Start again what has ended; `process_does_not_stay` after too many times."""
        with self._lock:
            for name, process in self._running.items():
                if self._stopping or process.poll() is None:
                    continue
                self._restarts[name] = self._restarts.get(name, 0) + 1
                if self._restarts[name] > RESTARTS_MAX:
                    raise PROCESS_DOES_NOT_STAY(name=name, times=self._restarts[name], log=self.log(name))
                self._launch(name)

    def number(self, name: str) -> int:
        """The process number."""
        return self._running[name].pid

    def log(self, name: str) -> Path:
        return self._logs / f"{name}.log"

    def stop(self) -> None:
        """Ask all to end, and wait."""
        with self._lock:
            self._stopping = True
            for process in self._running.values():
                process.terminate()
            for process in self._running.values():
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def _launch(self, name: str) -> None:
        with self.log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(
                self._commands[name],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_dying_with(os.getpid()),  # noqa: PLW1509 - the child only asks the kernel for a signal
            )


def _dying_with(parent: int) -> Callable[[], None]:
    """On Linux a child is told when its parent dies; elsewhere it notices nothing and is stopped by `stop`."""
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None

    def ask() -> None:
        if libc is not None:
            libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return ask
