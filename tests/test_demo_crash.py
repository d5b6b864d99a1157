"""The demo's day, killed with SIGKILL at random moments and played again: nothing is lost, nothing is doubled."""

import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from demo_crash import SAME, demo, finished, harry, whole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")
KILLS = 3


def every_changed_byte_is_found(folder: Path) -> None:
    """A sample of bytes over all files of the exported day; each flip is found, and the original is still valid."""
    verifier = Path(__file__).parents[1] / "verifier" / "verify.py"

    def verdict() -> int:
        done = subprocess.run([sys.executable, str(verifier), str(folder), "--json"], capture_output=True, check=False)
        return done.returncode

    assert verdict() == 0
    lot = random.Random(5)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    assert any(re.search("receipts", str(path)) for path in files)
    for path in lot.sample(files, min(len(files), 12)):
        content = path.read_bytes()
        place = lot.randrange(len(content))
        path.chmod(0o600)
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << lot.randrange(8))]) + content[place + 1 :])
        assert verdict() == 1, (path, place)
        path.write_bytes(content)
    assert verdict() == 0


def test_a_day_killed_anywhere_ends_with_the_figures_of_an_undisturbed_day(tmp_path):
    """Kill the player with all its processes, the core, the gateway, the notary or PostgreSQL, at moments drawn by lot;
    play the day again each time. In the end the figures are the same, every row is there once, and a stranger says yes.
    """
    quiet, harried = tmp_path / "quiet", tmp_path / "harried"
    undisturbed = finished(demo(quiet, 18411), quiet)
    every_changed_byte_is_found(Path(str(undisturbed["evidence"])))
    after, victims = harry(harried, 18412, random.Random(20260302), KILLS)
    assert {name: after[name] for name in SAME} == {name: undisturbed[name] for name in SAME}, victims
    assert after["verified"] is True
    whole(harried)


@pytest.mark.soak
def test_days_killed_for_as_long_as_we_have(tmp_path):
    """The same with other lots, until RINGFENCE_SOAK_MINUTES have passed."""
    until = time.monotonic() + 60 * float(os.environ.get("RINGFENCE_SOAK_MINUTES", "10"))
    undisturbed = finished(demo(tmp_path / "quiet", 18421), tmp_path / "quiet")
    number = 0
    while time.monotonic() < until:
        number += 1
        home = tmp_path / f"harried-{number}"
        after, victims = harry(home, 18422, random.Random(number), 6)
        assert {name: after[name] for name in SAME} == {name: undisturbed[name] for name in SAME}, (number, victims)
        whole(home)
    assert number > 0
