"""Build the source distribution, from it the wheel, and try that where nothing else is.

    python tools/check_wheel.py OUT_FOLDER

The wheel is installed into an empty environment and used from an empty folder, so that nothing of
the source tree can help it. OUT_FOLDER gets the distributions.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEVER = (".so", ".pyc", ".o", ".orig", ".rej", "~")


def files_below(*folders: str, suffixes: tuple[str, ...] = ()) -> set[str]:
    return {
        str(path.relative_to(ROOT))
        for folder in folders
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and not path.name.endswith(NEVER)
        and (not suffixes or path.name.endswith(suffixes))
    }


def insist(kind: str, missing: set[str], foreign: set[str]) -> None:
    if missing or foreign:
        raise SystemExit(f"{kind}: missing {sorted(missing)}; does not belong {sorted(foreign)}")


def check_sdist(path: Path) -> int:
    with tarfile.open(path) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    package = files_below("fastconv")
    own = files_below("ext", suffixes=(".pyx", ".pxd", ".h", "_impl.c")) | files_below("tests")
    own |= files_below("docs", "tools", "bench", "fuzz/corpus", ".ci", ".github")
    own -= files_below("bench/corpus")
    top = {"LICENSE", "README.md", "CONTRIBUTING.md", "Makefile", "pyproject.toml", "setup.py"}
    top |= {"CHANGELOG.md", "CITATION.cff", "MANIFEST.in"}
    foreign = {n for n in held if n.endswith(NEVER) or n.startswith(("build/", ".venv", "demo/"))}
    insist(path.name, (package | own | top) - held, foreign)
    return len(held)


def check_wheel(path: Path) -> int:
    with zipfile.ZipFile(path) as archive:
        held = set(archive.namelist())
    compiled = {Path(name).stem for name in files_below("ext", suffixes=(".pyx",))}
    built = {Path(name).name.partition(".")[0] for name in held if name.endswith(".so")}
    licences = {"LICENSE", *files_below("fastconv/annotations/data/LICENSES")}
    info = path.name.split("-")[0] + "-" + path.name.split("-")[1] + ".dist-info"
    missing = files_below("fastconv") - files_below("fastconv", suffixes=(".pxd",)) - held
    missing |= {f"fastconv/{name}.so" for name in compiled - built}
    missing |= {f"{info}/licenses/{name}" for name in licences} - held
    foreign = {name for name in held if not name.startswith(("fastconv/", info))}
    foreign |= {name for name in held if name.endswith((".pyx", ".c", ".h"))}
    insist(path.name, missing, foreign)
    return len(held)


def run(folder: Path, *words: object) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    print("$", *words, flush=True)
    subprocess.run([str(word) for word in words], cwd=folder, env=clean, check=True)


def try_wheel(wheel: Path, scratch: Path) -> None:
    environment, empty = scratch / "venv", scratch / "empty"
    empty.mkdir()
    subprocess.run([ROOT / "tools" / "setup_venv.sh", environment], check=True)
    python = environment / "bin" / "python"
    quiet = ("-qq", "--disable-pip-version-check", "--no-input")
    run(empty, python, "-m", "pip", "install", *quiet, wheel)
    run(empty, python, ROOT / "tools" / "try_installed.py")


def main(out: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        built = scratch / "dist"
        print("building …", flush=True)
        done = subprocess.run(
            [sys.executable, "-m", "build", "--outdir", built, ROOT],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            raise SystemExit(f"{done.stdout}\nthe build failed")
        (sdist,), (wheel,) = built.glob("*.tar.gz"), built.glob("*.whl")
        print(f"{sdist.name}: {check_sdist(sdist)} files; {wheel.name}: {check_wheel(wheel)} files")
        try_wheel(wheel, scratch)
        out.mkdir(exist_ok=True)
        for old in (*out.glob("*.tar.gz"), *out.glob("*.whl")):
            old.unlink()
        for new in (sdist, wheel):
            shutil.copy(new, out)
            print(out / new.name)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]))
