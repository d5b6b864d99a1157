"""The demo's platform as the core sees it: a program that signs, and staff with sessions, all over HTTP."""

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

import httpx

from ringfence.demo.authenticator import Authenticator
from ringfence.demo.scenario import CURRENCY, Act, Customer
from ringfence.demo.signer import Signer
from ringfence.money import currency, format_minor
from ringfence.refusal import Fault, refusal

PATHS: Final = {
    "withdrawal": "withdrawals",
    "freeze": "freezes",
    "release": "releases",
    "transfer": "transfers",
    "fee": "fees",
}
PATIENCE_SECONDS: Final = 120.0

CORE_DOES_NOT_ANSWER = refusal(
    "core_does_not_answer",
    Fault.MACHINE,
    en="The core does not answer at {address}: {detail}.",
    zh="核心服务在 {address} 无应答：{detail}。",
)
CORE_ANSWERS_UNEXPECTEDLY = refusal(
    "core_answers_unexpectedly",
    Fault.STATE,
    en="The core answered {path} with {status}: {answer}",
    zh="核心服务对 {path} 返回 {status}：{answer}",
)


class Platform:
    """A client of the API. A lost connection is tried again: every request carries the id of what it asks for."""

    def __init__(
        self, address: str, token: str = "", device: Authenticator | None = None, signer: Signer | None = None
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.address = address
        self._device = device
        self._http = httpx.Client(base_url=address, headers=headers, auth=signer, timeout=30)

    def close(self) -> None:
        self._http.close()

    def wait_until_there(self, look: Callable[[], None]) -> None:
        """Until the core answers; `look` is called meanwhile."""
        self._patiently("GET", "/healthz", None, look)

    def register(self, customer: Customer) -> None:
        said: dict[str, Any] = {"id": customer.customer_id, "name": customer.name, "nature": customer.nature}
        said |= {"payee_account": customer.payee_account, "bank": customer.bank.custodian_account}
        said |= {"identity_number": customer.identity_number, "phone": customer.phone}
        paper = {"kind": "passport" if customer.nature == "person" else "licence", "country": "NL"}
        said |= {"documents": [paper | {"sha256": customer.passport}]}
        if customer.nature == "firm":
            owner = {"party": "owner", "name": f"{customer.name} Holder", "nature": "person"}
            said |= {"owners": [owner | {"identity_number": f"{customer.identity_number}0", "share_percent": "100"}]}
        self.ask("POST", "/api/v1/customers", said)

    def place(self, act: Act) -> str:
        """Place an order; its state, or the name of the refusal."""
        amount = {"amount": format_minor(act.amount, currency(CURRENCY)), "currency": CURRENCY}
        said: dict[str, Any] = {"id": str(act.order_id), "customer": act.customer_id, "amount": amount}
        said["reference"] = act.reference
        if act.kind == "withdrawal":
            said |= {"payee_account": act.other, "salt": secrets.token_urlsafe(16)}
        if act.kind == "transfer":
            said["to_customer"] = act.other
        answer = self.ask("POST", f"/api/v1/{PATHS[act.kind]}", said, refusals=True)
        return str(answer.get("state") or answer.get("refused"))

    def sign_in(self, name: str, password: str, device: Authenticator | None = None) -> "Platform":
        """A person's own client; one with a device signs what it approves."""
        answer = self.ask("POST", "/api/v1/sessions", {"name": name, "password": password})
        return Platform(self.address, answer["token"], device)

    def sign_out(self) -> None:
        """End a person's session."""
        self.ask("DELETE", "/api/v1/sessions/current")
        self.close()

    def proposals(self) -> list[dict[str, Any]]:
        return list(self.ask("GET", "/api/v1/proposals")["proposals"])

    def decide(self, proposal: Mapping[str, Any], decision: str, reason: str = "") -> dict[str, Any]:
        said: dict[str, Any] = {"decision": decision, "sha256": proposal["sha256"], "reason": reason}
        if self._device is not None and decision == "approve":
            said["assertion"] = self._device.sign(proposal["challenge"])
        return self.ask("POST", f"/api/v1/proposals/{UUID(proposal['id'])}/decisions", said, refusals=True)

    def ask(
        self, method: str, path: str, said: Mapping[str, Any] | None = None, *, refusals: bool = False
    ) -> dict[str, Any]:
        """The answer's JSON. Refusals come back as answers if the caller wants them, else they raise."""
        response = self._patiently(method, path, said, lambda: None)
        answer: dict[str, Any] = response.json() if response.content else {}
        if response.is_success or (refusals and "refused" in answer):
            return answer
        raise CORE_ANSWERS_UNEXPECTEDLY(path=path, status=response.status_code, answer=str(answer)[:300])

    def _patiently(
        self, method: str, path: str, said: Mapping[str, Any] | None, look: Callable[[], None]
    ) -> httpx.Response:
        begun = time.monotonic()
        while True:
            look()
            try:
                response = self._http.request(method, path, json=said)
                if response.status_code != 503:
                    return response
                detail = response.text[:200]
            except httpx.TransportError as error:
                detail = type(error).__name__
            if time.monotonic() - begun > PATIENCE_SECONDS:
                raise CORE_DOES_NOT_ANSWER(address=self.address, detail=detail)
            time.sleep(0.1)
