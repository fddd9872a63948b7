"""Paths as the page shows them: where a person's folders are is no matter of its readers'."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

# What stands before a path, and behind the part of it that is known.
BEFORE, BEHIND = r"""(?<![^\s"'‘“(\[=,;:])""", r"""(?=[/\s"'’”)\]=,;:]|$)"""
KEPT = 2  # parts of a path that lies elsewhere


class Paths:
    """Whole paths made relative: a part of the source, or the output, is its last part alone."""

    def __init__(self, manifest: dict[str, Any] | None, *others: Path) -> None:
        source = manifest["source"] if manifest else {}
        known = [part["path"] for part in source.values() if isinstance(part, dict)]
        known += [str(path) for other in others for path in (other, other.absolute())]
        longest = sorted({p for p in known if p.startswith("/") and p != "/"}, key=len)[::-1]
        either = "|".join(map(re.escape, longest))
        self._known = re.compile(f"{BEFORE}({either}){BEHIND}") if longest else None

    def text(self, text: str) -> str:
        """A sentence that may name paths."""
        if self._known is None:
            return text
        return self._known.sub(lambda found: Path(found[1]).name, text)

    def texts(self, texts: Iterable[object]) -> list[str]:
        return [self.text(str(text)) for text in texts]

    def path(self, path: str) -> str:
        """What begins with a path; of one that is not known only the last parts are left."""
        short = self.text(path)
        if not short.startswith("/"):
            return short
        whole, colon, rest = short.partition(": ")
        return "/".join(Path(whole).parts[1:][-KEPT:]) + colon + rest
