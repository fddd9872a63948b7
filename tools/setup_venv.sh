#!/bin/sh
# tools/setup_venv.sh FOLDER [KEY]: a virtual environment with pip, on any machine that can have one.
#
# With a KEY, one that was made for the same key stays as it is. PYTHON names the interpreter.
set -eu

folder=$1
mark=$folder/made-${2:-}
[ -n "${2:-}" ] && [ -e "$mark" ] && exit 0
[ ! -e "$folder" ] || [ -e "$folder/pyvenv.cfg" ] || {
    echo "$folder is no virtual environment, and so is not replaced" >&2
    exit 1
}

stop() {
    printf 'fastconv cannot be set up: %s\n' "$1" >&2
    exit 1
}

asked=${PYTHON:-python3}
# The interpreter below an environment that may be active: that one could be the one to replace.
python=$("$asked" -c '
import os, sys
below = os.path.join(sys.base_prefix, "bin", "python%d.%d" % sys.version_info[:2])
print(below if sys.prefix != sys.base_prefix and os.access(below, os.X_OK) else sys.executable)
') ||
    stop "'$asked' does not run; install Python 3.10 or newer, or name one: make PYTHON=python3.12"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
    stop "$("$python" -V) is too old; name a Python 3.10 or newer: make PYTHON=python3.12"
"$python" -c 'import os, sysconfig; os.stat(os.path.join(sysconfig.get_path("include"), "Python.h"))' \
    2>/dev/null ||
    stop "Python's C headers are missing (Debian, Ubuntu: python3-dev; Fedora: python3-devel)"
compiler=${CC:-$("$python" -c 'import sysconfig; print(sysconfig.get_config_var("CC") or "cc")')}
command -v "${compiler%% *}" >/dev/null 2>&1 ||
    stop "there is no C compiler '${compiler%% *}' (Debian, Ubuntu: build-essential; macOS: xcode-select --install)"

# Debian's Python comes without ensurepip, and venv fails there. Its own pip, or virtualenv, will do.
made_by_venv() {
    "$python" -m venv --clear "$folder"
}
made_with_the_pip_outside() {
    "$python" -m venv --clear --without-pip "$folder" &&
        pip=$("$python" -c 'import os, pip; print(os.path.dirname(pip.__file__))') &&
        "$folder/bin/python" "$pip" install -qq --disable-pip-version-check --ignore-installed pip
}
made_by_virtualenv() {
    rm -rf "$folder"
    "$python" -m virtualenv -q "$folder" || virtualenv -q -p "$python" "$folder"
}

log=$(mktemp)
trap 'rm -f "$log"' EXIT
made_by_venv >"$log" 2>&1 || made_with_the_pip_outside >>"$log" 2>&1 ||
    made_by_virtualenv >>"$log" 2>&1 || {
    cat "$log" >&2
    rm -rf "$folder"
    stop "'$python' makes no virtual environment (Debian, Ubuntu: python3-venv; elsewhere: virtualenv)"
}
[ -z "${2:-}" ] || : >"$mark"
