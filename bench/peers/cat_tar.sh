#!/bin/sh
# The floor: a copy of an archive's bytes.   cat_tar.sh ARCHIVE OUT
set -eu
cat "$1" >"$2"
