"""The machine, the versions, and this process's peak memory."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_PACKAGES = ("torch", "onnxruntime", "numpy", "grad-cam", "torchcam")


def describe_machine() -> str:
    """Processor, cores this process may use, and memory."""
    processor = _field("/proc/cpuinfo", "model name") or platform.machine()
    kilobytes = _field("/proc/meminfo", "MemTotal").split()
    memory = f", {int(kilobytes[0]) * 1024 / 1e9:.0f} GB of memory" if kilobytes else ""
    return f"{processor}, {cores()} cores{memory}"


def describe_versions() -> str:
    """Python and the packages compared."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in _PACKAGES)])


def cores() -> int:
    """Cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory() -> float:
    """Largest resident memory of this process so far (VmHWM), in GB of 10^9 bytes; NaN where no Linux tells it."""
    kilobytes = _field("/proc/self/status", "VmHWM").split()
    return int(kilobytes[0]) * 1024 / 1e9 if kilobytes else float("nan")


def resident_memory(pid: int | None = None) -> float:
    """Resident memory of a process, else of this one, now (VmRSS), in GB of 10^9 bytes; NaN where no Linux tells it."""
    kilobytes = _field(f"/proc/{pid or 'self'}/status", "VmRSS").split()
    return int(kilobytes[0]) * 1024 / 1e9 if kilobytes else float("nan")


def _field(path: str, name: str) -> str:
    """Value of the first `name: value` line of a file, or "" if there is none."""
    if not Path(path).is_file():
        return ""
    pairs = (line.partition(":") for line in Path(path).read_text(encoding="utf-8").splitlines())
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")
