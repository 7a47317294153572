"""The check of a request's host and origin, so that no other web site uses a page through a visitor's browser."""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from demo.gateway.errors import RefusedRequest

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True)
class AllowedHosts:
    """The host names by which the page may be requested, always with those of this machine; None for any name.

    A web site can make a browser send requests to a page on this machine: to its address, with the site as their
    origin, or to a name of its own that leads to this machine (DNS rebinding), with that name as their host.
    """

    names: frozenset[str] | None

    @classmethod
    def of_server(cls, host: str | None, names: Iterable[str]) -> "AllowedHosts":
        """Return the hosts for a server that listens on `host` (None for this machine only) and is known by `names`.

        On another address than this machine's, without names, any host is accepted, but only from its own origin.
        """
        names = frozenset(name.lower() for name in names if name)
        is_local = host is None or host.lower() in LOOPBACK
        return cls(names | LOOPBACK if is_local or names else None)

    def check(self, headers: Headers) -> None:
        """Raise RefusedRequest, status 403, if the host is not allowed, or if the origin is another one."""
        host, origin = headers.get("host", ""), headers.get("origin")
        if self.names is not None and _hostname(f"//{host}") not in self.names:
            raise RefusedRequest(
                403,
                "The page is not served under this name: open it by the address that the terminal shows, or start it "
                "with --allowed-host and the name.",
            )
        if origin is not None and origin.partition("://")[2] != host and not self._is_named(origin):
            raise RefusedRequest(
                403, "Requests from other web sites are refused: open the page by the address that the terminal shows."
            )

    def _is_named(self, origin: str) -> bool:
        """Return whether an origin is a name of this server other than this machine's, as behind a proxy."""
        return self.names is not None and _hostname(origin) in self.names - LOOPBACK


THIS_MACHINE = AllowedHosts(LOOPBACK)


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
