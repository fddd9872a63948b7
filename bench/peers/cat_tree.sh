#!/bin/sh
# The floor of a tree: all files of a list (NUL after each) into one.   cat_tree.sh OUT <LIST
set -eu
xargs -0 cat >"$1"
