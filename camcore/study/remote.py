"""Photos at addresses, read with fsspec. No other module of camcore uses the network."""

import asyncio
import ipaddress
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from contextvars import ContextVar
from importlib.util import find_spec
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from camcore.errors import PhotoError, StudyError
from camcore.study.inputs.addresses import DRIVERS, is_web, scheme_of
from camcore.study.inputs.photos import is_photo_suffix, is_system_folder, suffix_notes

if TYPE_CHECKING:
    import aiohttp
    from fsspec import AbstractFileSystem

MAX_BYTES = 200_000_000  # of a photo
MAX_SECONDS = 120.0  # for one answer of a web server
MAX_PAUSE = 30.0  # seconds without a byte
ATTEMPTS = 3  # to read a photo, if the server or the connection fails
PAUSE = 0.5  # seconds before the second attempt; twice as many before the third
_CHUNK = 1_000_000  # bytes
_VERSIONS = ("ETag", "etag", "md5Hash", "Last-Modified", "LastModified", "last_modified")  # by what servers call it
_BUSY = {408, 425, 429, 500, 502, 503, 504}  # HTTP statuses after which another attempt may succeed

# Whether the request follows a redirect that must not lead to this computer or its network.
_redirected: ContextVar[bool] = ContextVar("redirected", default=False)


class RemoteFiles:
    """Reads files at addresses.

    With `private_redirects`, web servers may redirect to this computer and to its local network: by default they may
    not, because an address in somebody's table would then reach what only this computer can.
    """

    def __init__(self, *, private_redirects: bool = False):
        self._private_redirects = private_redirects

    def check(self, address: str) -> None:
        """Raise StudyError if nothing at an address can be read here."""
        scheme = scheme_of(address)
        if scheme not in DRIVERS:
            usable = ", ".join(f"{name}://" for name in DRIVERS if name != "memory")
            raise StudyError(
                f"photos cannot be read from {scheme}:// addresses: use {usable} or paths on this computer"
            )
        packages = ["fsspec", *filter(None, [DRIVERS[scheme]])]
        if not all(find_spec(package) for package in packages):
            raise StudyError(f"photos at {scheme}:// addresses need a package: pip install {' '.join(packages)}")

    def read(self, address: str) -> bytes:
        """Return the content of a file; raise PhotoError if it cannot be read, or has more than `MAX_BYTES`."""
        self.check(address)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._read_once(address)
            except PhotoError:
                raise
            except Exception as error:  # each driver raises classes of its own
                if attempt == ATTEMPTS or not _is_worth_another_attempt(error):
                    raise PhotoError(_explanation(error)) from error
            time.sleep(PAUSE * 2 ** (attempt - 1))
        raise AssertionError

    def version(self, address: str) -> str:
        """Return what tells a file from earlier and later ones at its address, "" if the server does not say."""
        self.check(address)
        with suppress(Exception):  # each driver raises classes of its own; reading it will tell what is wrong
            details = self._file_system(address).info(address)
            return next((f"{name} {details[name]}" for name in _VERSIONS if details.get(name)), "")
        return ""

    def photos(self, folder: str) -> "RemoteFolder":
        """Return the photos in the folder at an address; raise StudyError if it cannot be listed."""
        self.check(folder)
        if is_web(folder):
            raise StudyError(f"{folder}: a web server does not list its photos: give a list or a table of addresses")
        return RemoteFolder(self._file_system(folder), folder)

    def _read_once(self, address: str) -> bytes:
        files = self._file_system(address)
        options: dict[str, Any] = {"block_size": 0, "size": 1} if is_web(address) else {"cache_type": "none"}
        chunks, length = [], 0  # without a request for the size, which not every web server answers
        with files.open(address, "rb", **options) as file:
            while chunk := file.read(_CHUNK):
                chunks.append(chunk)
                length += len(chunk)
                if length > MAX_BYTES:
                    raise PhotoError(f"the file has more than {MAX_BYTES // 1_000_000} MB: make it smaller")
        return b"".join(chunks)

    def _file_system(self, address: str) -> "AbstractFileSystem":
        import fsspec

        if not is_web(address):
            return fsspec.filesystem(scheme_of(address))
        get_client = _open_session if self._private_redirects else _open_session_with_public_redirects
        return fsspec.filesystem(scheme_of(address), get_client=get_client)


class RemoteFolder:
    """The photos in a folder at an address, at any depth; hidden files and folders of operating systems are ignored."""

    def __init__(self, files: "AbstractFileSystem", folder: str):
        self._files, self._folder = files, folder
        self._suffixes: Counter[str] = Counter()  # of files that are no photos

    def paths(self) -> Iterator[PurePosixPath]:
        """Yield the paths of the photos in the folder, in order; raise StudyError if it has none, or cannot be read."""
        is_empty = True
        try:
            for path in self._walk(self._folder.rstrip("/"), PurePosixPath()):
                is_empty = False
                yield path
        except StudyError:
            raise
        except Exception as error:  # each driver raises classes of its own
            raise StudyError(f"{self._folder} cannot be listed: {_explanation(error)}") from error
        if is_empty:
            raise StudyError(f"{self._folder} contains no photos: check the address, or give a list of addresses")

    def notes(self) -> Iterator[str]:
        """Yield notes on what was ignored, after all paths were read."""
        yield from suffix_notes(self._suffixes)

    def _walk(self, folder: str, inside: PurePosixPath) -> Iterator[PurePosixPath]:
        entries = {str(entry["name"]).rstrip("/").rpartition("/")[2]: entry for entry in self._files.ls(folder)}
        for name in sorted(entries, key=lambda name: (name.casefold(), name)):
            if not name or name.startswith("."):
                continue
            if entries[name]["type"] == "directory":
                if not is_system_folder(name):
                    yield from self._walk(f"{folder}/{name}", inside / name)
            elif is_photo_suffix(suffix := PurePosixPath(name).suffix.lower()):
                yield inside / name
            else:
                self._suffixes[suffix or "none"] += 1


async def _open_session(loop: Any = None, **options: Any) -> "aiohttp.ClientSession":
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=MAX_SECONDS, sock_connect=MAX_PAUSE, sock_read=MAX_PAUSE)
    return aiohttp.ClientSession(loop=loop, timeout=timeout, **options)


async def _open_session_with_public_redirects(loop: Any = None, **options: Any) -> "aiohttp.ClientSession":
    import aiohttp

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_check_redirect)
    connector = aiohttp.TCPConnector(socket_factory=_open_socket)
    return await _open_session(loop, connector=connector, trace_configs=[trace], **options)


async def _check_redirect(_session: Any, _context: Any, redirect: "aiohttp.TraceRequestRedirectParams") -> None:
    """Raise PhotoError if a redirect leads to this computer or its network, by what its host's name stands for now.

    A name may stand for another computer a moment later: `_open_socket` checks that of new connections.
    """
    target = urljoin(str(redirect.url), redirect.response.headers.get("Location", ""))
    host = urlsplit(target).hostname or ""
    entries = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    _redirected.set(True)
    if not all(_is_public(entry[4][0]) for entry in entries):
        redirect.response.close()
        raise PhotoError(_private(host))


def _open_socket(entry: tuple[Any, ...]) -> socket.socket:
    family, kind, protocol, _, address = entry
    if _redirected.get() and not _is_public(address[0]):
        raise PhotoError(_private(address[0]))
    return socket.socket(family, kind, protocol)


def _is_public(address: str | int) -> bool:
    ip = ipaddress.ip_address(str(address).partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_global


def _private(host: str) -> str:
    problem = f"the server redirects to {host}, on this computer or its network, which is refused"
    return f"{problem}: check the address, or allow it with --private-redirects"


def _status_of(error: Exception) -> int | None:
    status = getattr(error, "status", None)  # of aiohttp
    return status if isinstance(status, int) else None


def _is_worth_another_attempt(error: Exception) -> bool:
    if isinstance(error, FileNotFoundError | PermissionError | TimeoutError):
        return False
    status = _status_of(error)
    return status is None or status in _BUSY


def _explanation(error: Exception) -> str:
    """Return what is wrong, and a remedy."""
    status = _status_of(error)
    if isinstance(error, FileNotFoundError) or status in {404, 410}:
        return "there is no file at this address: correct the address, or remove it"
    if isinstance(error, PermissionError) or status in {401, 403}:
        return "access to this address is refused: log in with the tool of its service, or use an address with a key"
    if isinstance(error, TimeoutError):
        return f"the server did not send the file within {MAX_SECONDS:g} seconds: run the same command again later"
    if status is not None:
        return f"the server answered with an error ({status}): run the same command again later"
    words = " ".join(str(error).split())[:200] or "no details"
    return f"the file could not be read ({type(error).__name__}: {words}): run the same command again"
