"""The page on which a customer checks a proof: one file, the same bytes for everybody, and complete in itself.

It is put together from `checking/`, `static/proof.js` and `static/mldsa.js`, here and by scripts/reference.py, which
writes the same bytes to verifier/check.html. So whoever wonders whether we show one reader another page compares two
files. Its policy names its script and its style by their hashes and allows nothing else: no request of any kind, no
form, no frame.
"""

import base64
import hashlib
from functools import cache
from importlib import resources
from typing import Final

from fastapi import APIRouter
from fastapi.responses import Response

PATH: Final = "/check"
_IMPORT: Final = "import { "

pages = APIRouter()


@pages.get(PATH)
def check() -> Response:
    """Whoever asks, and signed in or not: nobody is looked up, no cookie is set."""
    document, policy = check_page()
    headers = {"Content-Security-Policy": f"{policy}; frame-ancestors 'none'", "Referrer-Policy": "no-referrer"}
    return Response(document, media_type="text/html", headers=headers)


@cache
def check_page() -> tuple[bytes, str]:
    """The file, and the policy that stands in it (`frame-ancestors` counts in a header alone)."""
    style, icon = _read("checking/page.css"), _read("static/ringfence.svg")
    script = in_one(*(_read(f"{name}.js") for name in ("static/mldsa", "static/proof", "checking/page")))
    rules = {
        "default-src": "'none'",
        "script-src": _hash(script),
        "style-src": _hash(style),
        "img-src": "data:",
        "connect-src": "'none'",
        "form-action": "'none'",
        "base-uri": "'none'",
    }
    policy = "; ".join(f"{name} {value}" for name, value in rules.items())
    parts = {
        "policy": policy,
        "icon": f"data:image/svg+xml;base64,{base64.b64encode(icon.encode()).decode()}",
        "style": style,
        "script": script,
    }
    document = _read("checking/page.html")
    for name, text in parts.items():
        document = document.replace(f"{{{{{name}}}}}", text)
    return document.encode(), policy


def in_one(*modules: str) -> str:
    """Modules as one: what an earlier one exports, a later one simply has."""
    lines = [line for module in modules for line in module.splitlines() if not line.startswith(_IMPORT)]
    return "\n".join(["", *(line.removeprefix("export ") for line in lines), ""])


def _hash(text: str) -> str:
    """A source of a content security policy (CSP level 3, 6.7.2.2)."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _read(path: str) -> str:
    return (resources.files("ringfence.console") / path).read_text(encoding="utf-8")
