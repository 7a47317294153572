"""Addresses of photos that lie elsewhere: their schemes and names. Nothing is read here."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, urlsplit

# What fsspec needs for each scheme, as it is called on PyPI.
DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "https": "aiohttp", "http": "aiohttp", "memory": ""}
_WEB = {"https", "http"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a drive has one letter


def is_address(text: str) -> bool:
    """Return whether a text is an address, complete or not, and no path on this computer."""
    return _ADDRESS.match(text) is not None


def path_or_address(text: str) -> Path | str:
    """Return a path, or an address as it is; no path of pathlib has "://"."""
    return text if "://" in text else Path(text)


def scheme_of(address: str) -> str:
    """Return the scheme of an address, in lower case."""
    return address.partition(":")[0].lower()


def is_web(address: str) -> bool:
    """Return whether an address is one of the web, where folders cannot be listed."""
    return scheme_of(address) in _WEB


def join(address: str, file: str) -> str:
    """Return the address of a file in the folder at an address."""
    return f"{address.rstrip('/')}/{quote(file) if is_web(address) else file}"


def public_name(address: str) -> str:
    """Return an address without user name, password and query, which may have a signature: reports are passed on."""
    parts = urlsplit(address)
    if parts.scheme not in _WEB:
        return address
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def path_in(address: str) -> PurePosixPath:
    """Return the path of an address, from its host or bucket."""
    return PurePosixPath(public_name(address).partition("://")[2])
