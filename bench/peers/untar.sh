#!/bin/sh
# The field's usual way to class folders.   untar.sh SOURCE OUT [sync]
set -eu
source=$1 out=$2
mkdir -p "$out/train" "$out/validation"
cd "$out/train"
tar xf "$source/ILSVRC2012_img_train.tar"
for archive in *.tar; do
    mkdir -p "${archive%.tar}"
    tar xf "$archive" -C "${archive%.tar}"
    rm -f "$archive"
done
cd "$out/validation"
tar xf "$source/ILSVRC2012_img_val.tar"
sh "$source/valprep.sh"
if [ "${3-}" ]; then sync -f "$out"; fi
