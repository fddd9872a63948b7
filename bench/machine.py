"""The machine and the versions that a result is of; nothing that names the machine itself."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    *("fastconv", "numpy", "simplejpeg", "tensorflow-cpu", "webdataset", "tfrecord", "litdata"),
    *("torch", "nvidia-dali-cuda120", "pillow", "opencv-python-headless", "pyvips-binary"),
    "scikit-image",
)


def memory(key: str) -> int:
    """A line of /proc/meminfo in bytes, such as MemTotal or MemAvailable."""
    found = re.search(rf"^{key}:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
    return int(found[1]) * 1024 if found else 0


def file_system(path: Path) -> str:
    """The kind of file system that a path is on."""
    best = ("", "unknown")
    for line in Path("/proc/mounts").read_text().splitlines():
        _, mount, kind, *_ = line.split()
        inside = str(path.resolve()).startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best[0]):
            best = (mount, kind)
    return best[1]


def machine(storage: Path) -> dict[str, Any]:
    info = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    kind = file_system(storage)
    release = re.match(r"\d+\.\d+", platform.release())
    return {
        "cpu": model[1].strip() if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gigabytes": memory("MemTotal") / 1e9,
        "kernel": release[0] if release else "",
        "storage": "memory-backed (tmpfs)" if kind == "tmpfs" else kind,
    }


def versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    if "fastconv" not in found:
        from fastconv.version import __version__

        found["fastconv"] = __version__
    with suppress(OSError, IndexError):
        said = subprocess.run(["cat", "--version"], capture_output=True, text=True, check=False)
        found["cat"] = said.stdout.splitlines()[0].rpartition(" ")[2]
    return found
