"""What of all that gradio serves is meant to be public, and how much may be sent there."""

import re
from dataclasses import dataclass
from typing import Literal

from starlette.datastructures import QueryParams

from demo.gateway.errors import RefusedRequest
from demo.service import messages
from demo.service.event_settings import ENDPOINTS
from demo.service.uploads import MAX_TOTAL

RouteKind = Literal["page", "file", "upload", "join", "listen", "run", "call", "call by name", "answer", "mcp"]

_LITTLE = 1_000_000  # bytes
_IN_A_MESSAGE = 3_000_000  # bytes: the package mcp refuses a message above 4 MiB in words of its own
_LONGEST = 255  # bytes of a name, as file systems have it
_ASKED = frozenset({"GET", "HEAD"})
_SENT = frozenset({"POST"})
_NAME = f"(?P<name>{'|'.join(ENDPOINTS)})"


@dataclass(frozen=True)
class Route:
    """Addresses of one kind, what they are asked with, and how many bytes a request may send there."""

    kind: RouteKind
    address: str
    methods: frozenset[str] = _ASKED
    most: int = _LITTLE


_PLACES = (
    # The page itself, and what gradio_client asks when it connects; a Space is asked for / to see if it is well.
    Route("page", r"/|/config/?|/theme\.css|/manifest\.json|/robots\.txt|/favicon\.ico|/(assets|static)/.+"),
    Route("page", r"/gradio_api/(info/?|openapi\.json|app_id|startup-events|heartbeat/[^/]+|upload_progress)"),
    Route("page", r"/gradio_api/(cancel|reset)", _SENT),
    # A file that was uploaded or made here. gradio would fetch an address and hand it on, whoever asks.
    Route("file", r"/gradio_api/file=(?!\s*[A-Za-z][A-Za-z0-9+.-]+:).+"),
    # What the page and gradio_client ask for, by number, and what curl does, by name.
    Route("upload", r"/gradio_api/upload", _SENT, MAX_TOTAL),
    Route("join", r"/gradio_api/queue/join", _SENT),
    Route("listen", r"/gradio_api/queue/data"),
    Route("run", r"/gradio_api/run/predict", _SENT),
    Route("call", rf"/gradio_api/call/{_NAME}/?", _SENT),
    Route("call by name", rf"/gradio_api/call/v2/{_NAME}/?", _SENT),
    Route("answer", rf"/gradio_api/call/(v2/)?{_NAME}/(?P<event>[^/]+)"),
    Route("mcp", r"/gradio_api/mcp(/.*)?", _ASKED | _SENT | {"DELETE"}, _IN_A_MESSAGE),
)


def find_route(path: str, method: str, query: QueryParams) -> tuple[Route, re.Match[str]]:
    """Where a request goes, and what its address names.

    Raises:
        RefusedRequest: if that is not meant to be public, or not to be asked so.
    """
    if _breaks_gradio(path, query):
        raise RefusedRequest(404, messages.NOTHING_HERE)
    otherwise: set[str] = set()
    for place in _PLACES:
        if found := re.fullmatch(place.address, path):
            if method in place.methods:
                return place, found
            otherwise |= place.methods
    if otherwise:
        raise RefusedRequest(405, messages.WRONG_METHOD, {"allow": ", ".join(sorted(otherwise))})
    raise RefusedRequest(404, messages.NOTHING_HERE)


def _breaks_gradio(path: str, query: QueryParams) -> bool:
    """Whether gradio would answer with a traceback: to a name that is too long, and to a page that does not exist."""
    too_long = any(len(name.encode()) > _LONGEST for name in path.split("/"))
    return too_long or (path == "/" and "page" in query)
