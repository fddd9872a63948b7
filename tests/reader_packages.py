"""The packages whose readers the tests run: those that `make test-peers` installs.

Whoever adds one there is told to say here what is imported from it, and to document it.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALONE = ROOT / "tests" / "peers" / "without_dependencies.txt"

READERS = {
    "tensorflow-cpu": "tensorflow",
    "tensorflow-datasets": "tensorflow_datasets",
    "nvidia-dali-cuda120": "nvidia",
    "tfrecord": "tfrecord",
    "torchvision": "torchvision",
    "timm": "timm",
    "tf-models-official": "official",
}
# What these load: PyTorch, and for the official models the rest.
BESIDE = {
    "torch": "torch",
    "tf_keras": "tf_keras",
    "gin-config": "gin",
    "matplotlib": "matplotlib",
    "opencv-python-headless": "cv2",
    "pycocotools": "pycocotools",
}


def wanted() -> list[str]:
    """What is to be installed, by the names that pip knows. One that is not known is an error."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    extra = re.search(r"^peers = \[(.*?)^\]", project, re.M | re.S)
    assert extra is not None
    alone = re.findall(r"^[\w-]+", ALONE.read_text(encoding="utf-8"), re.M)
    names = re.findall(r'"([\w-]+)', extra[1]) + alone
    assert set(names) == set(READERS | BESIDE), "READERS and BESIDE are not what is installed"
    return names


def missing() -> list[str]:
    modules = READERS | BESIDE
    return [name for name in wanted() if find_spec(modules[name]) is None]
