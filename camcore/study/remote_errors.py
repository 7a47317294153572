"""What is wrong if a file at an address cannot be read, from the errors of drivers."""

from camcore.study.inputs.addresses import public_name

_LATER = "run the same command again later"
# By the names of classes, most of them of aiohttp, because no driver is imported here; special ones come first.
_EXPLANATIONS = {
    "FileNotFoundError": "there is no file at this address: correct the address, or remove it",
    "PermissionError": "access to this address is refused: log in to its service, or use a signed address",
    "TimeoutError": f"the server does not answer, or too slowly: {_LATER}",
    "ClientPayloadError": f"the server's answer ends before the file does: {_LATER}",
    "ClientSSLError": "the server's certificate is not valid: correct the address, or tell those who run the server",
    "ClientConnectorError": f"no server answers at this address: correct the address, or {_LATER}",
    "TooManyRedirects": "the server redirects in a circle: correct the address, or remove it",
    "RedirectClientError": "the server redirects to what is no address of the web: correct the address, or remove it",
    "InvalidURL": "this is no address of the web: correct the address, or remove it",
}
_TEMPORARY = {"", "ClientPayloadError", "ClientConnectorError"}
_OF_STATUS = {401: "PermissionError", 403: "PermissionError", 404: "FileNotFoundError", 410: "FileNotFoundError"}
_BUSY = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses after which another attempt may succeed


def is_worth_another_attempt(error: Exception) -> bool:
    """Return whether a moment later the file may be readable."""
    status = _status_of(error)
    return _kind_of(error) in _TEMPORARY and (not status or status in _BUSY)


def explain_error(error: Exception, address: str) -> str:
    """Return what is wrong with the file at an address, and a remedy, without secrets of the address."""
    if explanation := _EXPLANATIONS.get(_kind_of(error)):
        return explanation
    if status := _status_of(error):
        return f"the server answers with an error ({status}): {_LATER}"
    words = " ".join(str(error).split())[:200]
    has_secrets = public_name(address) != address or "://" in words  # which the words may repeat
    detail = type(error).__name__ + ("" if has_secrets or not words else f": {words}")
    return f"the file cannot be read ({detail}): {_LATER}"


def _kind_of(error: Exception) -> str:
    """Return the name of the class under which an error is explained, "" for an unknown one."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return next((name for name in _EXPLANATIONS if name in names), _OF_STATUS.get(_status_of(error), ""))


def _status_of(error: Exception) -> int:
    """Return the status of an HTTP answer, 0 if the error has none."""
    status = getattr(error, "status", None)
    return status if isinstance(status, int) else 0
