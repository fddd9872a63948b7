"""A page taken apart, for tests."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

VOID = {"meta", "img", "input", "br", "link"}
LOADS = {"src", "srcset", "data", "poster", "action", "formaction", "background", "xlink:href"}


@dataclass
class Page(HTMLParser):
    """``elements``: (tag, attributes, text in it, tags around it) in order."""

    html: str
    elements: list[tuple[str, dict[str, str], list[str], tuple[str, ...]]] = field(
        default_factory=list
    )

    def __post_init__(self) -> None:
        HTMLParser.__init__(self)
        self._open: list[int] = []
        self.feed(self.html)
        self.close()
        assert not self._open, [self.elements[n][0] for n in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), (tag, attrs)
        around = tuple(self.elements[n][0] for n in self._open)
        self.elements.append((tag, {name: value or "" for name, value in attrs}, [], around))
        if tag not in VOID:
            self._open.append(len(self.elements) - 1)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.elements[self._open.pop()][0] == tag

    def handle_data(self, data: str) -> None:
        for n in self._open:
            self.elements[n][2].append(data)

    def all(self, tag: str) -> list[tuple[dict[str, str], str]]:
        return [(attrs, "".join(text)) for name, attrs, text, _ in self.elements if name == tag]

    def table(self, caption: str) -> list[list[str]]:
        """The cells of the table with this caption, row by row."""
        rows: list[list[str]] = []
        inside = False
        for tag, _, text, _ in self.elements:
            if tag == "caption":
                inside = "".join(text) == caption
            elif tag == "tr" and inside:
                rows.append([])
            elif tag in ("td", "th") and inside:
                rows[-1].append("".join(text))
        assert rows, caption
        return rows

    def pairs(self) -> list[tuple[str, str]]:
        """Each <dt> with its <dd>."""
        terms = [(tag, "".join(text)) for tag, _, text, _ in self.elements if tag in ("dt", "dd")]
        return [(a[1], b[1]) for a, b in zip(terms[::2], terms[1::2], strict=True)]

    def holds_together(self) -> None:
        """What must be true of any page: nothing is loaded, and it can be found one's way in."""
        ids = [attrs["id"] for _, attrs, _, _ in self.elements if "id" in attrs]
        assert len(ids) == len(set(ids))
        policy = next(a["content"] for a, _ in self.all("meta") if "http-equiv" in a)
        assert policy.startswith("default-src 'none'; img-src data:; style-src 'sha256-")
        assert "unsafe" not in policy and "http" not in policy
        for tag in ("style", "script"):
            ((attrs, text),) = self.all(tag)
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert not attrs and f"{tag}-src 'sha256-{digest}'" in policy
        for tag, attrs, _, _ in self.elements:
            assert tag not in ("link", "iframe", "object", "embed", "base", "use", "image"), tag
            for name, value in attrs.items():
                assert name != "style" and not name.startswith("on"), (tag, attrs)
                if name in LOADS:
                    assert value.startswith("data:image/jpeg;base64,"), (tag, name)
                if name == "href":
                    assert tag == "a" and value.startswith(("#", "https://"))
                    assert not value.startswith("#") or value[1:] in ids, value
                for target in re.findall(r"url\((.*?)\)", value):
                    assert target[0] == "#" and target[1:] in ids, value
                if name in ("aria-labelledby", "for"):
                    assert value in ids
        headings = [int(tag[1]) for tag, *_ in self.elements if re.fullmatch("h[1-6]", tag)]
        assert headings[0] == 1 and headings.count(1) == 1
        assert all(b <= a + 1 for a, b in pairwise(headings))
        for landmark in ("header", "nav", "main", "footer"):
            assert len(self.all(landmark)) == 1, landmark
        for attrs, _ in self.all("img"):
            assert attrs["alt"] and attrs["width"] and attrs["height"]
        for attrs, _ in self.all("svg"):
            assert attrs["role"] == "img" and len(attrs["aria-label"]) > 20
        for attrs, _ in self.all("th"):
            assert attrs["scope"] in ("row", "col")
        assert len(self.all("table")) == len(self.all("caption"))


def page_of(path: Path) -> Page:
    page = Page(path.read_text("utf-8"))
    page.holds_together()
    return page
