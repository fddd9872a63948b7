"""Make ``synsets.tsv``: the 1,000 ImageNet classes of ILSVRC2012 and their words.

    python tools/make_synsets.py DATA_NOUN LABELS_TXT OUT_FOLDER

DATA_NOUN is WordNet 3.0's ``data.noun`` (Debian: package wordnet-base 1:3.0). LABELS_TXT is
``tensorflow_datasets/datasets/imagenet2012/labels.txt`` in the wheel of tensorflow-datasets.
The digits of a WNID are the byte offset of its synset in ``data.noun``; the line there is
``offset lex_filenum ss_type w_cnt word lex_id [word lex_id ...] ...``, with w_cnt in
hexadecimal (manual page wndb(5WN)).
"""

from __future__ import annotations

import sys
from pathlib import Path


def words_at(nouns: bytes, offset: int) -> str:
    """The synset's words, joined as ImageNet does: ``tench, Tinca tinca``."""
    fields = nouns[offset : nouns.index(b"\n", offset)].decode("ascii").split(" ")
    if int(fields[0]) != offset or fields[2] != "n":
        raise SystemExit(f"no noun synset starts at byte {offset}: is this WordNet 3.0?")
    count = int(fields[3], 16)
    return ", ".join(word.replace("_", " ") for word in fields[4 : 4 + 2 * count : 2])


def licence_of(nouns: bytes) -> str:
    """The licence at the head of the file, without its line numbers."""
    lines = []
    for line in nouns.decode("ascii").splitlines():
        if not line.startswith("  "):
            break
        lines.append(line.strip().partition(" ")[2].rstrip())
    return "\n".join(lines) + "\n"


def main(data_noun: str, labels_txt: str, out_folder: str) -> None:
    nouns = Path(data_noun).read_bytes()
    wnids = Path(labels_txt).read_text(encoding="ascii").split()
    if len(wnids) != 1000 or wnids != sorted(set(wnids)):
        raise SystemExit(f"{labels_txt} is not 1,000 sorted WNIDs")
    lines = [f"{wnid}\t{words_at(nouns, int(wnid[1:]))}\n" for wnid in wnids]
    out = Path(out_folder)
    (out / "synsets.tsv").write_bytes("".join(lines).encode("ascii"))
    (out / "LICENSES" / "WordNet-3.0.txt").write_bytes(licence_of(nouns).encode("ascii"))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        raise SystemExit(__doc__)
    main(*sys.argv[1:])
