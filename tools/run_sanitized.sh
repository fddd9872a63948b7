#!/usr/bin/env bash
# tools/run_sanitized.sh copy TREE: the sources once more, for compiled modules of their own.
# tools/run_sanitized.sh test TREE PYTHON [PYTEST'S WORDS]: the tests that run compiled code, there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

copy() {
    local tree=$1 parts=(pyproject.toml setup.py README.md LICENSE MANIFEST.in Makefile CHANGELOG.md
        CONTRIBUTING.md ext fastconv tests tools docs bench/*.py bench/*.md fuzz)
    mkdir -p "$tree"
    # What is gone from the sources must be gone there; compiled modules stay.
    find "$tree" -mindepth 1 -maxdepth 1 ! -name build ! -name '*.egg-info' ! -name fastconv \
        -exec rm -rf {} +
    [ ! -d "$tree/fastconv" ] || find "$tree/fastconv" -type f ! -name '*.so' -delete
    tar -cf - --exclude='*.so' --exclude=__pycache__ --exclude=fuzz/findings "${parts[@]}" |
        tar -xf - -C "$tree"
}

# What exercises ext/: the tests of a module, and jobs with workers. Not those that need the large
# sample, limit a process's address space (the sanitizer's own takes terabytes) or look at timing.
TESTS=(raw tar jpeg example records crc32c resample orient names exif_orientation images boxes detect
    bad_images changed_jobs fuzz_corpus rules verify)
SHARDS=(tar_formats_change_no_byte other_layouts_change_no_byte a_subset_with_its_own_class_list
    a_shard_may_be_empty)

run() {
    local tree=$1 python=$PWD/$2 reports=$PWD/build/asan-reports module runtime preload=
    shift 2
    for module in "$tree"/fastconv/*.so; do
        grep -q __asan_init "$module" || {
            echo "$module has no sanitizer in it; make clean, and again" >&2
            exit 1
        }
    done
    # The interpreter itself has none: the runtimes come first. C++'s is there for the libraries whose
    # exceptions the sanitizer wants to see.
    for runtime in libasan.so libubsan.so libstdc++.so.6; do
        runtime=$("${CC:-gcc}" -print-file-name="$runtime")
        [ -e "$runtime" ] || {
            echo "make asan needs GCC's sanitizers (Debian: build-essential; Fedora: libasan libubsan)" >&2
            exit 1
        }
        preload=$preload${preload:+:}$runtime
    done
    rm -rf "$reports"
    mkdir -p "$reports"
    # Leaks are not looked for: CPython keeps much until it ends, and NumPy more. Memory comes from
    # malloc, so that the end of every bytes object is seen. Workers inherit all of this; what
    # AddressSanitizer says in one, whose standard error leads nowhere, is in a file. (GCC's UBSan
    # knows no such file: a worker that it ends is an error of its test without more words.)
    local files=("${TESTS[@]/#/tests/test_}")
    files=("${files[@]/%/.py}" "${SHARDS[@]/#/tests/test_shards.py::test_}")
    local asan=detect_leaks=0:allocator_may_return_null=1:detect_stack_use_after_return=1 failed=0
    cd "$tree"
    env LD_PRELOAD="$preload" PYTHONMALLOC=malloc PYTHONDONTWRITEBYTECODE=1 \
        ASAN_OPTIONS="$asan:log_path=$reports/report" UBSAN_OPTIONS=print_stacktrace=1 \
        "$python" -m pytest --timeout 600 -p no:cacheprovider --capture sys \
        --hypothesis-profile ci "${files[@]}" "$@" || failed=1
    if compgen -G "$reports/report*" >/dev/null; then
        cat "$reports"/report* >&2
        exit 1
    fi
    return $failed
}

case $1 in
copy) copy "$2" ;;
test)
    shift
    run "$@"
    ;;
esac
