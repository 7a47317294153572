"""Photos at addresses, read with fsspec. No other module of camcore uses the network."""

import asyncio
import ipaddress
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

from camcore.errors import PhotoError, StudyError
from camcore.study.inputs.addresses import DRIVERS, is_web, public_name, scheme_of
from camcore.study.remote_errors import explain_error, is_worth_another_attempt
from camcore.study.remote_folder import RemoteFolder

if TYPE_CHECKING:
    import aiohttp
    from fsspec import AbstractFileSystem

MAX_BYTES = 200_000_000  # of a photo
MAX_SECONDS = 120.0  # for one answer of a web server
MAX_PAUSE = 30.0  # seconds without a byte
PAUSES = (0.5, 1.0)  # seconds before the second and the third attempt, if the server or the connection fails
_CHUNK = 1_000_000  # bytes
_VERSIONS = ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified", "last_modified")  # by what servers call it
_MAX_VERSION = 200  # characters
_HEADERS = {"Accept-Encoding": "identity"}  # as when only the version is requested, which may depend on it

# Whether the current request follows a redirect, which must not lead to this computer or its network.
_redirected: ContextVar[bool] = ContextVar("redirected", default=False)


class RemoteContent(NamedTuple):
    """The content of a file, and what its server states to tell it from others, "" if nothing."""

    content: bytes
    version: str


class RemoteFiles:
    """Reads files at addresses.

    With `private_redirects`, web servers may redirect to this computer and to its local network: by default they may
    not, because an address in somebody's table would then reach what only this computer can.
    """

    def __init__(self, *, private_redirects: bool = False):
        self._private_redirects = private_redirects
        self._usable_schemes: set[str] = set()

    def check(self, address: str) -> None:
        """Raise StudyError if nothing at an address can be read here."""
        scheme = scheme_of(address)
        if scheme in self._usable_schemes:
            return
        if scheme not in DRIVERS:
            usable = ", ".join(f"{name}://" for name in DRIVERS if name != "memory")
            raise StudyError(
                f"photos cannot be read from {scheme}:// addresses: use {usable} or paths on this computer"
            )
        packages = ["fsspec", *filter(None, [DRIVERS[scheme]])]
        if not all(find_spec(package) for package in packages):
            raise StudyError(f"photos at {scheme}:// addresses need a package: pip install {' '.join(packages)}")
        self._usable_schemes.add(scheme)

    def read(self, address: str) -> RemoteContent:
        """Return the content of a file; raise PhotoError if it cannot be read, or has more than `MAX_BYTES`."""
        self.check(address)
        for pause in (*PAUSES, None):
            try:
                return self._read_web(address) if is_web(address) else self._read_store(address)
            except PhotoError:
                raise
            except Exception as error:  # each driver raises classes of its own
                if pause is None or not is_worth_another_attempt(error):
                    raise PhotoError(explain_error(error, address)) from error
            time.sleep(pause)
        raise AssertionError

    def version(self, address: str) -> str:
        """Return what tells a file from earlier and later ones at its address, "" if the server does not say."""
        self.check(address)
        with suppress(Exception):  # each driver raises classes of its own; reading it will tell what is wrong
            return _version_in(self._file_system(address).info(address))
        return ""

    def photos(self, folder: str) -> RemoteFolder:
        """Return the photos in the folder at an address; raise StudyError if it cannot be listed."""
        self.check(folder)
        if is_web(folder):
            remedy = "give a list or a table of addresses"
            raise StudyError(f"{public_name(folder)}: a web server does not list its photos: {remedy}")
        return RemoteFolder(self._file_system(folder), folder)

    def _read_web(self, address: str) -> RemoteContent:
        """Return the content of a file on a web server, with one request: fsspec makes another one for the size."""
        chunks, length = [], 0
        with self._file_system(address).open(address, block_size=0, size=1, headers=_HEADERS) as file:
            while chunk := file.read(_CHUNK):
                length += len(chunk)
                _check_length(length)
                chunks.append(chunk)
            content, headers = b"".join(chunks), file.r.headers
        if headers.get("Content-Type", "").startswith("text/html") and content.lstrip().startswith(b"<"):
            raise PhotoError("the server sends a web page, not a photo: use the address of the photo itself")
        return RemoteContent(content, _version_in(headers))

    def _read_store(self, address: str) -> RemoteContent:
        """Return the content of a file in object storage, with one request, and one for the version."""
        version = self.version(address)
        content: bytes = self._file_system(address).cat_file(address, start=0, end=MAX_BYTES + 1)
        _check_length(len(content))
        return RemoteContent(content, version)

    def _file_system(self, address: str) -> "AbstractFileSystem":
        """Return what reads an address; fsspec keeps it, with its connections."""
        import fsspec

        if not is_web(address):
            return fsspec.filesystem(scheme_of(address))
        import aiohttp

        open_session = _open_session if self._private_redirects else _open_guarded_session
        timeout = aiohttp.ClientTimeout(total=MAX_SECONDS, sock_connect=MAX_PAUSE, sock_read=MAX_PAUSE)
        return fsspec.filesystem(scheme_of(address), get_client=open_session, client_kwargs={"timeout": timeout})


def _check_length(length: int) -> None:
    if length > MAX_BYTES:
        raise PhotoError(f"the file has more than {MAX_BYTES / 1_000_000:g} MB: make it smaller")


def _version_in(details: Mapping[str, Any]) -> str:
    return next((f"{name} {details[name]}"[:_MAX_VERSION] for name in _VERSIONS if details.get(name)), "")


async def _open_session(loop: asyncio.AbstractEventLoop, **options: Any) -> "aiohttp.ClientSession":
    import aiohttp

    return aiohttp.ClientSession(loop=loop, **options)


async def _open_guarded_session(loop: asyncio.AbstractEventLoop, **options: Any) -> "aiohttp.ClientSession":
    """Return a session that follows redirects to public addresses only."""
    import aiohttp

    class GuardedConnector(aiohttp.TCPConnector):
        """Refuses connections of redirected requests by where they lead: new ones, and those that are open already."""

        async def connect(self, req: Any, *arguments: Any, **named: Any) -> Any:
            if not _redirected.get():
                return await super().connect(req, *arguments, **named)
            host = req.url.raw_host or ""
            with suppress(OSError):  # a host without address; the connection will fail too
                entries = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
                _check_redirect(host, *(str(entry[4][0]) for entry in entries))
            connection = await super().connect(req, *arguments, **named)
            try:  # the host may stand for another computer than a moment ago
                _check_redirect(host, connection.transport.get_extra_info("peername")[0])  # type: ignore[union-attr]
            except BaseException:
                connection.close()
                raise
            return connection

    trace = aiohttp.TraceConfig()
    trace.on_request_start.append(_note_start)
    trace.on_request_redirect.append(_note_redirect)
    return await _open_session(loop, connector=GuardedConnector(), trace_configs=[trace], **options)


async def _note_start(*_: Any) -> None:
    _redirected.set(False)


async def _note_redirect(*_: Any) -> None:
    _redirected.set(True)


def _check_redirect(host: str, *addresses: str) -> None:
    """Raise PhotoError if a redirect to a host leads to this computer or its network, by the addresses of the host."""
    if not all(map(_is_public, addresses)):
        problem = f"the server redirects to {host}, on this computer or its network, which is refused"
        raise PhotoError(f"{problem}: check the address, or allow it with --private-redirects")


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_global
