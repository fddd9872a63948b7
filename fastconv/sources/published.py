"""What is known of ImageNet's archives as they were published: their sizes and MD5 sums."""

from __future__ import annotations

from dataclasses import dataclass

from fastconv.remote.path import Place, RemotePath


@dataclass(frozen=True, slots=True)
class Published:
    """``bytes``: the archive's size, None where it is not known; ``md5``: in hexadecimal."""

    bytes: int | None
    md5: str


# By name, which samples and subsets of ImageNet carry as well: another size is no error.
PUBLISHED = {
    "ILSVRC2012_img_train.tar": Published(147_897_477_120, "1d675b47d978889d74fa0da5fadfb00e"),
    "ILSVRC2012_img_val.tar": Published(6_744_924_160, "29b22e2961454d5413ddabcf34fc5622"),
    "ILSVRC2012_devkit_t12.tar.gz": Published(None, "fa75699e90414af021442c21a62c3abf"),
}


def published_bytes(path: Place) -> int | None:
    """The size that the published archive of this name has; None where none is known."""
    known = PUBLISHED.get(path.name)
    return known.bytes if known else None


def sizes(path: Place) -> tuple[int, int] | None:
    """(bytes of an archive, those of the published one of its name); None where there is nothing
    to compare."""
    wanted = published_bytes(path)
    if wanted is None:
        return None
    if isinstance(path, RemotePath):
        from fastconv.sources.buckets import Bucket

        facts = Bucket.of(path).head(path)
        return (facts[0], wanted) if facts else None
    return (path.stat().st_size, wanted) if path.is_file() else None


def size_note(path: Place) -> str | None:
    """Whether an archive has the size of the published one of its name, in words; None where there
    is nothing to compare."""
    both = sizes(path)
    if both is None:
        return None
    size, wanted = both
    if size == wanted:
        return "of the published size"
    return f"not the published archive, which has {wanted:,} bytes"


def size_beside_published(path: Place, size: int) -> str:
    """Of an archive that is cut off: how much of the published one it may be, in words."""
    wanted = published_bytes(path)
    if wanted is None or size >= wanted:
        return ""
    return f" (the published one has {wanted:,} bytes, this one {size:,})"


def published_md5(path: Place, size: int) -> str | None:
    """The published archive's sum, where a file of this name and size can be that archive."""
    known = PUBLISHED.get(path.name)
    return known.md5 if known and known.bytes in (None, size) else None
