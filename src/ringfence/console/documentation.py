"""The API's documentation as a page of ours: what OpenAPI says, read by people."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import Response

from ringfence.web.visit import Signed

pages = APIRouter()


@pages.get("/api-reference")
def api_reference(visit: Signed) -> Response:
    described = visit.request.app.openapi()
    operations: dict[str, list[dict[str, Any]]] = {}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            group = (operation.get("tags") or ["other"])[0]
            operations.setdefault(group, []).append({"path": path, "method": method.upper(), **operation})
    return visit.page("api_reference.html", operations=operations, described=described)
