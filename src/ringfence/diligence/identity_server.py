"""An identity provider over HTTPS.

    PUT <url>/<inquiry id>   {"nature", "country", "name", "number"} gives {"answer": "match" | "no_match" | "later"}

PUT under the inquiry's id, so that the same again is the same inquiry. The token is read anew for each request. Nothing
is tried twice here: the core asks again later.
"""

from pathlib import Path
from typing import Final

from ringfence.diligence.provider import SECONDS_MAX, Answer, Inquiry
from ringfence.diligence.refusals import IDENTITY_PROVIDER_IS_DOWN

_SAID: Final = {each.value: each for each in (Answer.MATCH, Answer.NO_MATCH, Answer.LATER)}


class IdentityServer:
    """A provider at an address. `token` is the file of its bearer token."""

    def __init__(self, url: str, token: Path) -> None:
        if not url.startswith(("https://", "http://127.0.0.1:", "http://localhost:")):
            raise ValueError("[server] url must begin with https://")
        self.url = url.rstrip("/")
        self.token = token

    @property
    def name(self) -> str:
        return "server"

    def ask(self, inquiry: Inquiry) -> Answer:
        import httpx

        said = {"nature": inquiry.nature, "country": inquiry.country, "name": inquiry.name, "number": inquiry.number}
        try:
            headers = {"authorization": f"Bearer {self.token.read_text(encoding='utf-8').strip()}"}
            found = httpx.put(
                f"{self.url}/{inquiry.identity}",
                json=said,
                headers=headers,
                timeout=SECONDS_MAX,
                follow_redirects=False,
            )
        except OSError as error:
            raise IDENTITY_PROVIDER_IS_DOWN(provider=self.name, detail=f"its token: {error.strerror}") from error
        except httpx.HTTPError as error:
            raise IDENTITY_PROVIDER_IS_DOWN(provider=self.name, detail=type(error).__name__) from error
        if not found.is_success:
            raise IDENTITY_PROVIDER_IS_DOWN(provider=self.name, detail=f"status {found.status_code}")
        try:
            word = found.json()["answer"]
            return _SAID[word]
        except (ValueError, KeyError, TypeError) as error:
            raise IDENTITY_PROVIDER_IS_DOWN(provider=self.name, detail="no answer in its JSON") from error
