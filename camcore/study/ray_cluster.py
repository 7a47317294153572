"""A Ray cluster: connecting to it, what its computers can do, and whether they have the same packages as this one."""

import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import camcore
from camcore.errors import StudyError
from camcore.study.description import versions
from camcore.types import Device

MAX_THREADS = 4  # of a worker, by default: one thread at a time does what is Python's own work. Not measured.


def connect() -> None:
    """Connect to the cluster at RAY_ADDRESS, or start Ray on this computer; raise StudyError if that fails."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # statistics would be sent over the network
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")  # else it warns of what cannot be lost while this runs
    import ray
    from ray import data

    logging.getLogger(data.__name__).setLevel(logging.ERROR)
    address = os.environ.get("RAY_ADDRESS") or None
    try:
        _check_address(address)
        with _stderr_discarded():  # it says there that it has read its level of messages
            ray.init(
                address=address or "local",
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                runtime_env={"py_modules": [camcore]},
            )
    except (OSError, RuntimeError, ValueError) as error:
        if address is None:
            problem = f"Ray does not start on this computer ({' '.join(str(error).split())[:200]})"
            raise StudyError(f"{problem}: use --engine local") from error
        remedy = "start one with `ray start --head`, or remove RAY_ADDRESS to use this computer alone"
        raise StudyError(f"no Ray cluster answers at {address}: {remedy}") from error


def _check_address(address: str | None) -> None:
    """Raise OSError if no server answers at an address, where Ray would try for minutes."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if port.isascii() and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()


@contextmanager
def _stderr_discarded() -> Iterator[None]:
    """Discard what the block writes on the file descriptor of stderr."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with Path(os.devnull).open("w") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _computers() -> list[dict[str, Any]]:
    import ray

    return [node for node in ray.nodes() if node["Alive"]]


def divide_cores(threads: int | None, device: Device) -> tuple[int, int]:
    """Return how many cores each worker has, and how many workers there is room for; with "cuda", one per GPU."""
    computers = [node["Resources"] for node in _computers()]
    if device == "cuda":
        computers = [resources for resources in computers if resources.get("GPU", 0) >= 1]
        if not computers:
            raise StudyError("no computer of the cluster has a GPU: use --device cpu")
    cores = [int(resources.get("CPU", 0)) for resources in computers]
    threads = threads or min([MAX_THREADS, *filter(None, cores)])
    room = [count // threads for count in cores]
    if device == "cuda":
        room = [min(count, int(resources["GPU"])) for count, resources in zip(room, computers, strict=True)]
    workers = sum(room)
    if not workers:
        raise StudyError(f"no computer of the cluster has {threads} cores: choose fewer with --threads")
    return threads, workers


def check_versions() -> None:
    """Raise StudyError if a computer of the cluster has other versions of the packages than this one."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here, read_versions = versions(), ray.remote(num_cpus=0)(versions)
    for node in _computers():
        name, strategy = node["NodeManagerHostname"], NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
        try:
            there = ray.get(read_versions.options(scheduling_strategy=strategy).remote())
        except ray.exceptions.TaskUnschedulableError:  # the computer was lost in this moment
            continue
        except ray.exceptions.RayError as error:
            problem = f"{name} cannot run camcore ({str(error).strip().splitlines()[-1][:200]})"
            raise StudyError(f"{problem}: install the packages there that this computer has") from error
        different = [package for package, version in here.items() if there[package] != version]
        if different:
            versions_there, versions_here = (
                ", ".join(f"{package} {values[package]}" for package in different) for values in (there, here)
            )
            raise StudyError(
                f"{name} has {versions_there}, and this computer {versions_here}: install the same versions"
            )
