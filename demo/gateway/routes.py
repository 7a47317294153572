"""The public addresses of Gradio's server, and how many bytes a request may send to each."""

import re
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import QueryParams

from demo.gateway.errors import NOTHING_HERE, WRONG_METHOD, RefusedRequest
from demo.service.event_settings import ENDPOINTS
from demo.service.uploads import MAX_TOTAL

RouteKind = Literal[
    "page", "file", "upload", "join", "listen", "run", "call", "call by name", "answer", "cancel", "mcp"
]

_MAX_BODY = 1_000_000  # bytes
_MAX_MCP_MESSAGE = 3_000_000  # bytes: the package mcp refuses a message above 4 MiB in its own words
_MAX_NAME = 255  # bytes, as in file systems
_GET = frozenset({"GET", "HEAD"})
_POST = frozenset({"POST"})
_NAME = f"(?P<name>{'|'.join(ENDPOINTS)})"


@dataclass(frozen=True)
class Route:
    """Addresses of one kind, as a regular expression, with their HTTP methods and the size limit of a request."""

    kind: RouteKind
    pattern: str
    methods: frozenset[str] = _GET
    max_bytes: int = _MAX_BODY


_ROUTES = (
    # The page itself, and what gradio_client requests when it connects. A Space's health check requests /.
    Route("page", r"/|/config/?|/theme\.css|/manifest\.json|/robots\.txt|/favicon\.ico|/(assets|static)/.+"),
    Route("page", r"/gradio_api/(info/?|openapi\.json|app_id|startup-events|heartbeat/[^/]+|upload_progress)"),
    Route("cancel", r"/gradio_api/(cancel|reset)", _POST),
    # A file that was uploaded or made here. Gradio would fetch any other address, and return it to anyone.
    Route("file", r"/gradio_api/file=(?!\s*[A-Za-z][A-Za-z0-9+.-]+:).+"),
    # The calls of the page and of gradio_client, by number, and those of curl, by name.
    Route("upload", r"/gradio_api/upload", _POST, MAX_TOTAL),
    Route("join", r"/gradio_api/queue/join", _POST),
    Route("listen", r"/gradio_api/queue/data"),
    Route("run", r"/gradio_api/run/predict", _POST),
    Route("call", rf"/gradio_api/call/{_NAME}/?", _POST),
    Route("call by name", rf"/gradio_api/call/v2/{_NAME}/?", _POST),
    Route("answer", rf"/gradio_api/call/(v2/)?{_NAME}/(?P<event>[^/]+)"),
    Route("mcp", r"/gradio_api/mcp(/.*)?", _GET | _POST | {"DELETE"}, _MAX_MCP_MESSAGE),
)


def find_route(path: str, method: str, query: QueryParams) -> tuple[Route, dict[str, str]]:
    """Return the route of a request, and the names in its address: the `name` of an endpoint, an `event`.

    The request is refused if the address is not public, or does not take this HTTP method.
    """
    # Gradio would answer with a traceback to a name that is too long, and to an unknown page.
    if any(len(name.encode()) > _MAX_NAME for name in path.split("/")) or (path == "/" and "page" in query):
        raise RefusedRequest(404, NOTHING_HERE)
    matches = [(route, match) for route in _ROUTES if (match := re.fullmatch(route.pattern, path))]
    for route, match in matches:
        if method in route.methods:
            return route, match.groupdict()
    if not matches:
        raise RefusedRequest(404, NOTHING_HERE)
    allowed: set[str] = set().union(*(route.methods for route, _ in matches))
    raise RefusedRequest(405, WRONG_METHOD, {"allow": ", ".join(sorted(allowed))})
