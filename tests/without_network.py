"""Explain a photo with a page that reaches nothing: `unshare --net python -m tests.without_network ARTIFACTS`.

The kernel counts the packets and connections for which it has no route, so that what a library tries in silence counts.
"""

import fcntl
import socket
import struct
import sys
from contextlib import suppress
from pathlib import Path

from tests.browser.conftest import served
from tests.demo.api.conftest import call_by_name, events, upload
from tests.mutated_photos import samples

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_ELSEWHERE = ("192.0.2.1", 80)  # an address for documentation, RFC 5737


def start_loopback() -> None:
    """Bring up the loopback of a network namespace that has just been created."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sH14x", b"lo", 0)
        (flags,) = struct.unpack_from("H", fcntl.ioctl(control, _SIOCGIFFLAGS, request), 16)
        fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def attempts() -> int:
    """Return how often something in this network namespace has tried to reach an address without a route."""
    names, values = (line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines()[:2])
    total = int(dict(zip(names, values, strict=True))["OutNoRoutes"])
    with suppress(FileNotFoundError):  # a system without IPv6
        lines = Path("/proc/net/snmp6").read_text().splitlines()
        total += sum(int(line.split()[1]) for line in lines if line.startswith("Ip6OutNoRoutes"))
    return total


def main(artifacts: Path) -> None:
    """Check that attempts are counted, then print how many a page makes that is opened and explains a photo."""
    start_loopback()
    before = attempts()
    with suppress(OSError), socket.create_connection(_ELSEWHERE, timeout=5):
        sys.exit("this is no network of its own: another computer can be reached")
    if attempts() == before:
        sys.exit("this system does not count what has no route")
    before = attempts()
    with served(artifacts) as page:
        address = page.address.rstrip("/")
        photo = upload(address, samples()["JPEG 0 RGB"])
        event_id = call_by_name(address, "explain", photo=photo, effort="8").json()["event_id"]
        *_, (name, answer) = events(address, "explain", event_id)
        explained = name == "complete" and len(answer[0]["explanations"])
    print(f"{explained} maps; {attempts() - before} attempts to reach another computer")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
