"""The class that docs/operate/signed-requests.md gives to programs, as it stands there, for the tests of signatures."""

import re
from pathlib import Path
from types import SimpleNamespace

GUIDE = Path(__file__).parents[1] / "docs" / "operate" / "signed-requests.md"
_FOUND: dict = {}
exec(re.search(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), re.DOTALL)[1], _FOUND)
Signed = _FOUND["Signed"]


def signed_by(key_id, key, now):
    """The guide's class with a clock of the test's own."""
    _FOUND["time"] = SimpleNamespace(time=lambda: now().timestamp())
    return Signed(key_id, key)
