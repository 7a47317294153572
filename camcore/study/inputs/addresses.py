"""Addresses of photos that lie elsewhere: their schemes and names. Nothing is read here."""

import re
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote, urlsplit

# What fsspec needs for each scheme, as it is called on PyPI.
DRIVERS = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "https": "aiohttp", "http": "aiohttp", "memory": ""}
_WEB = {"https", "http"}
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")  # a drive has one letter
_PARTS = re.compile(r"([^:]+):(/+)(?:([^/?#]*)@)?([^?]*)", re.DOTALL)  # scheme, slashes, user, and the rest
_NOT_IN_FILE_NAMES = re.compile(r'[<>:"|?*\\]')  # of Windows


def is_address(text: str) -> bool:
    """Return whether a text is an address, complete or not, and no path on this computer."""
    return _ADDRESS.match(text) is not None


def path_or_address(text: str) -> Path | str:
    """Return a path, or an address with its scheme in lower case; no path of pathlib has "://"."""
    scheme, separator, rest = text.partition("://")
    return f"{scheme.lower()}://{rest}" if separator and is_address(text) else Path(text)


def parse_location(text: str) -> Path | str:
    """Return a path or an address of a command line; an incomplete address is one too, so that it can be refused."""
    return text if is_address(text) and "://" not in text else path_or_address(text)


def scheme_of(address: str) -> str:
    """Return the scheme of an address, in lower case."""
    return address.partition(":")[0].lower()


def is_web(address: str) -> bool:
    """Return whether an address is one of the web, where folders cannot be listed."""
    return scheme_of(address) in _WEB


def is_complete(address: str) -> bool:
    """Return whether an address names a host or a bucket, and has no line break or the like."""
    try:
        parts = urlsplit(address)
        has_port = not is_web(address) or parts.port != 0  # raises ValueError if it is no number
        return bool(parts.hostname) and has_port and address.isprintable()
    except ValueError:  # such as brackets that are not closed
        return False


def join(address: str, file: str) -> str:
    """Return the address of a file in the folder at an address, which may end with a query, such as a signature."""
    if not is_web(address):
        return f"{address.rstrip('/')}/{file}"
    folder, separator, query = address.partition("#")[0].partition("?")
    return f"{folder.rstrip('/')}/{quote(file)}{separator}{query}"


def public_name(address: str) -> str:
    """Return an address for people to read: without password and query, because reports are passed on.

    A query may be a signature. So may the name of a user of the web; without a password, that of others is a container.
    An address of the web is decoded, so that it has the names of the files.
    """
    match = _PARTS.match(address)
    if match is None:
        return address
    scheme, slashes, user, path = match[1].lower(), match[2], match[3], match[4]
    if scheme in _WEB:
        path = path.partition("#")[0]
        path = decoded if "\ufffd" not in (decoded := unquote(path)) and decoded.isprintable() else path
    elif user and ":" not in user:
        path = f"{user}@{path}"
    return f"{scheme}:{slashes}{path}"


def without_secrets(text: Path | str) -> str:
    """Return the public name of an address, and a path or any other text as it is."""
    name = str(text)
    return public_name(name) if is_address(name) else name


def argument_without_secrets(argument: str) -> str:
    """Return an argument of a command line without the secrets of its address, if it is one or ends with one."""
    option, separator, value = argument.partition("=") if argument.startswith("--") else ("", "", argument)
    return f"{option}{separator}{without_secrets(value)}"


def path_in(address: str) -> PurePosixPath:
    """Return the path of an address from its host or bucket, of characters that file names may have."""
    return PurePosixPath(_NOT_IN_FILE_NAMES.sub("-", public_name(address).partition("://")[2]))


def folders_of(file: str) -> list[str]:
    """Return the folders in the path of a photo; those of an address begin after its host or bucket."""
    path = file.partition("://")[2].partition("/")[2] if is_address(file) else file
    return [folder for folder in path.split("/")[:-1] if folder]
