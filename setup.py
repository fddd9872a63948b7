"""The compiled modules. Everything else about the package stands in pyproject.toml."""

from __future__ import annotations

import os
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

C_SOURCES = {
    "_tfrecord": ["crc32c_impl", "output_impl"],
    "_shard": ["crc32c_impl", "output_impl", "jpeg_impl", "source_impl", "keep_impl"],
    "_jpeg": ["jpeg_impl"],
    "_tar": ["tar_impl"],
    "_reader": ["example_reader_impl"],
    "_verify": ["verify_impl", "example_reader_impl"],
    "_columns": [],
    "_frames": ["frames_impl"],
    "_members": [],
    "_process": [],
    "_raw": ["source_impl", "raw_impl"],
    "_resample": ["weights_impl", "resample_impl", "orient_impl"],
}
# For `make asan`, with GCC. It comes behind the other arguments, so its -O1 counts.
SANITIZERS = os.environ.get("FASTCONV_SANITIZERS", "")
SANITIZED = [f"-fsanitize={SANITIZERS}", "-fno-sanitize-recover=all"] if SANITIZERS else []
DEBUGGED = ["-O1", "-g", "-fno-omit-frame-pointer"] if SANITIZERS else []
HEADERS = sorted(Path("ext").glob("*.h"))
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "initializedcheck": False,
    "embedsignature": True,
}


def extension(name: str) -> Extension:
    return Extension(
        f"fastconv.{name}",
        [f"ext/{name}.pyx", *(f"ext/{source}.c" for source in C_SOURCES[name])],
        include_dirs=["ext"],
        libraries=["m"],
        depends=[str(part) for part in HEADERS],
        extra_compile_args=[
            *("-O3", "-std=gnu11", "-Wall", "-Wextra", "-Wno-unused-parameter"),
            "-ffp-contract=off",  # a weight is the same number on every machine
            *(*SANITIZED, *DEBUGGED),
        ],
        extra_link_args=SANITIZED,
    )


setup(
    ext_modules=cythonize(
        [extension(name) for name in C_SOURCES],
        compiler_directives=DIRECTIVES,
        include_path=["."],
        build_dir="build",
    )
)
