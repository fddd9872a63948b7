"""Where an image is, in words: the same for a catalog and for a worker."""

from __future__ import annotations


def whereabouts(path: str, is_folder: bool, inside: str, name: str, offset: int) -> str:
    """An image's file; in an archive the member inside it, and where its bytes begin."""
    if is_folder:
        return f"{path}/{name}"
    member = f"{inside}/{name}" if inside else name
    return f"{path}: {member} (at offset {offset})"
