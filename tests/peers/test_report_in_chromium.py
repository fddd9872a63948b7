"""The report in a real browser: headless Chromium, from disk, by keyboard, in light and dark."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright import sync_api as playwright

import fastconv
from fastconv.sample import make_sample

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome", "chrome")
     if (path := shutil.which(name))), None
)  # fmt: skip
# .ci/run sets it: where Chromium can be installed, leaving it out is no way to pass.
if CHROMIUM is None and not os.environ.get("FASTCONV_NEEDS_CHROMIUM"):
    pytestmark = [
        pytest.mark.peers,
        pytest.mark.skip(reason="there is no Chromium here; apt-get install chromium"),
    ]
else:
    pytestmark = [pytest.mark.peers]

SWITCHES = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
SCHEMES, WIDTHS = ("light", "dark"), (390, 1440)
HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of ImageNet's form, and of a tree whose names are markup, with images skipped."""
    folder = tmp_path_factory.mktemp("pages")
    make_sample(folder / "in", classes=20, train_images=200, validation_images=60, seed=3)
    fastconv.convert(
        fastconv.Options(source=folder / "in", out=folder / "imagenet", train_shards=4)
    )
    for name in (HOSTILE, "plain"):
        (folder / "tree" / "train" / name).mkdir(parents=True)
        for n in range(4):
            Image.new("RGB", (30 + n, 40), "blue").save(
                folder / "tree" / "train" / name / f"{n}.png"
            )
        (folder / "tree" / "train" / name / "bad.jpg").write_bytes(b"\xff\xd8")
    fastconv.convert(
        fastconv.Options(source=folder / "tree", out=folder / "hostile", on_error="skip")
    )
    shutil.copytree(folder / "imagenet" / "data_dir", folder / "foreign")
    made = {}
    for name in ("imagenet", "hostile", "foreign"):
        made[name] = folder / f"{name}.html"
        fastconv.write_report(folder / name, made[name], verify=name == "imagenet")
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    assert CHROMIUM is not None, "Chromium is not installed, and must be here"
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(SWITCHES))
        yield browser
        browser.close()


class Seen:
    """A page that was opened: its complaints, and what it asked for besides itself."""

    def __init__(self, browser: Any, path: Path, scheme: str, width: int, **more: Any) -> None:
        self.context = browser.new_context(
            color_scheme=scheme, viewport={"width": width, "height": 800}, **more
        )
        self.page = self.context.new_page()
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", lambda dialog: self.complaints.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())

    def __enter__(self) -> Seen:
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def colour(self, selector: str, name: str = "background-color") -> str:
        script = "([selector, name]) => getComputedStyle(document.querySelector(selector))[name]"
        return str(self.page.evaluate(script, [selector, name]))


@pytest.mark.parametrize("name", ["imagenet", "hostile"])
@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_it_opens_from_disk_and_fits(
    browser: Any, pages: dict[str, Path], name: str, scheme: str, width: int
) -> None:
    with Seen(browser, pages[name], scheme, width) as seen:
        page = seen.page
        assert seen.complaints == []
        assert [url for url in seen.requests if not url.startswith("data:image/jpeg;base64,")] == [
            pages[name].as_uri()
        ]
        assert page.evaluate("document.documentElement.scrollWidth") == width
        assert page.evaluate("[...document.images].every((one) => one.naturalWidth > 0)")
        # Each drawing is seen at one of two sizes, and has letters that can be read.
        small = page.evaluate(
            """[...document.querySelectorAll('figure svg')].map((svg) => {
                 const box = svg.getBoundingClientRect();
                 return box.width && 12 * box.width / svg.viewBox.baseVal.width;
               }).filter((size) => size > 0)"""
        )
        assert len(small) == page.locator("figure.card").count() and min(small) > 11
        # No text of a drawing is cut off at its edge.
        cut = page.evaluate(
            """[...document.querySelectorAll('figure svg text')].filter((text) => {
                 const box = text.getBoundingClientRect();
                 const around = text.ownerSVGElement.getBoundingClientRect();
                 return box.width && (box.left < around.left - 1 || box.right > around.right + 1);
               }).map((text) => text.textContent)"""
        )
        assert cut == []


def test_light_and_dark_are_those_of_the_system_or_of_the_button(
    browser: Any, pages: dict[str, Path]
) -> None:
    found = {}
    for scheme in SCHEMES:
        with Seen(browser, pages["imagenet"], scheme, 1440) as seen:
            bar = "#boxes .wide svg path[fill='var(--c1)']"
            found[scheme] = seen.colour("body"), seen.colour(bar, "fill")
            button = seen.page.get_by_role("button", name=re.compile("^Theme"))
            assert button.inner_text() == "Theme: automatic"
            for wanted in (*SCHEMES, scheme):
                button.press("Enter")
                name = wanted if button.inner_text() != "Theme: automatic" else scheme
                found[f"{scheme}, then {button.inner_text()}"] = (
                    seen.colour("body"), seen.colour(bar, "fill"),
                )  # fmt: skip
                assert name in SCHEMES
            assert seen.complaints == [] and len(seen.requests) >= 1
    assert found["light"] != found["dark"]
    for scheme in SCHEMES:
        assert found[f"{scheme}, then Theme: light"] == found["light"]
        assert found[f"{scheme}, then Theme: dark"] == found["dark"]
        assert found[f"{scheme}, then Theme: automatic"] == found[scheme]


def test_everything_is_reached_by_tab(browser: Any, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["imagenet"], "light", 1440) as seen:
        page = seen.page
        page.evaluate(
            """[...document.querySelectorAll(
                 'a[href], button, input, summary, [tabindex="0"]')].filter(
                 (one) => one.checkVisibility()).forEach((one) => { one.dataset.wanted = "1"; })"""
        )
        wanted = page.locator("[data-wanted]").count()
        assert wanted > 30
        for count in range(wanted):
            page.keyboard.press("Tab")
            seen_it = page.evaluate(
                """() => { const one = document.activeElement;
                     delete one.dataset.wanted;
                     const style = getComputedStyle(one);
                     const width = parseFloat(style.outlineWidth);
                     return [one.className, style.outlineStyle, width]; }"""
            )
            assert count > 0 or seen_it[0] == "skip"
            assert seen_it[1] == "solid" and seen_it[2] >= 2, seen_it
        assert page.locator("[data-wanted]").count() == 0


def test_the_skip_link_leads_to_the_content(browser: Any, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["imagenet"], "light", 390) as seen:
        seen.page.keyboard.press("Tab")
        seen.page.keyboard.press("Enter")
        assert seen.page.evaluate("document.activeElement.id") == "main"


def test_classes_are_searched_and_sorted_by_keyboard(browser: Any, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["imagenet"], "light", 1440) as seen:
        page = seen.page
        rows = page.locator("#class-table tbody tr:visible")
        find = page.get_by_role("searchbox", name="Search labels, names and texts")
        count = page.locator("#found")
        assert rows.count() == 1000 and count.inner_text() == "1,000 classes"
        find.focus()
        page.keyboard.type("TENCH tinca")
        playwright.expect(count).to_have_text("1 of 1,000 classes")
        assert rows.count() == 1 and "n01440764" in rows.first.inner_text()
        page.keyboard.press("Control+A")
        page.keyboard.type("no such class")
        playwright.expect(count).to_have_text("0 of 1,000 classes")
        page.keyboard.press("Control+A")
        page.keyboard.press("Delete")
        playwright.expect(count).to_have_text("1,000 classes")

        def column(n: int) -> list[str]:
            script = "(n) => [...document.querySelectorAll('#class-table tbody tr')].map(" \
                     "(row) => row.cells[n].textContent)"  # fmt: skip
            return list(page.evaluate(script, n))

        def order(n: int) -> Any:
            return page.locator("#class-table thead th").nth(n).get_attribute("aria-sort")

        page.get_by_role("button", name="train").press("Enter")
        numbers = [int(text) for text in column(3)]
        assert order(3) == "descending" and numbers == sorted(numbers, reverse=True)
        assert numbers[0] > 0
        page.get_by_role("button", name="train").press("Space")
        assert order(3) == "ascending"
        assert [int(text) for text in column(3)] == sorted(numbers)
        page.get_by_role("button", name="label").press("Enter")
        assert order(3) is None and order(0) == "ascending"
        assert column(0) == [str(n + 1) for n in range(1000)]
        page.get_by_role("button", name="class", exact=False).first.press("Enter")
        assert column(1) == sorted(column(1))
        assert seen.complaints == []


def test_without_scripts_all_of_it_is_there(browser: Any, pages: dict[str, Path]) -> None:
    with Seen(browser, pages["imagenet"], "light", 1440, java_script_enabled=False) as seen:
        assert seen.page.locator("#class-table tbody tr").count() == 1000
        assert not seen.page.locator("#find").is_visible()
        assert not seen.page.locator("#theme").is_visible()
        assert seen.page.locator("figure.card").count() > 10


def test_many_classes_stay_usable(browser: Any, tmp_path: Path) -> None:
    features = {"image/class/synset": b"n00000000", "image/class/text": b"a few words for it"}
    with fastconv.RecordWriter(tmp_path / "many.tfrecord") as writer:
        for label in range(21_841):
            writer.write(fastconv.encode_example({**features, "image/class/label": label}))
    fastconv.write_report(tmp_path, tmp_path / "page.html", verify=False)
    with Seen(browser, tmp_path / "page.html", "light", 1440) as seen:
        page = seen.page
        spent = page.evaluate(
            """() => { const began = performance.now();
                 document.querySelectorAll('#class-table thead button')[0].click();
                 document.querySelectorAll('#class-table thead button')[0].click();
                 document.body.offsetHeight;
                 return performance.now() - began; }"""
        )
        assert page.locator("#class-table tbody tr").first.inner_text().startswith("21840")
        assert spent < 20_000  # it takes some 300 ms; not minutes, as it would row by row
        page.locator("#find").fill("21840")
        playwright.expect(page.locator("#found")).to_have_text("1 of 21,841 classes")


@pytest.mark.parametrize("name", ["foreign", "hostile"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(browser: Any, pages: dict[str, Path], name: str, scheme: str) -> None:
    """Deque's axe-core: names, roles, contrasts, orders of headings, landmarks."""
    axe = resources.files("axe_playwright_python").joinpath("axe.min.js").read_text("utf-8")
    width = WIDTHS[(name == "foreign") == (scheme == "light")]
    with Seen(browser, pages[name], scheme, width, bypass_csp=True) as seen:
        # Of those with thousands of cells, each is looked at: that takes minutes.
        seen.page.evaluate(
            """for (const one of document.querySelectorAll("details"))
                 one.open = one.querySelectorAll("td").length < 100"""
        )
        seen.page.evaluate(axe)
        found = seen.page.evaluate("axe.run()")
        told = [
            (one["id"], one["impact"], [node["target"] for node in one["nodes"][:3]])
            for one in found["violations"]
        ]
        assert told == []
        assert len(found["passes"]) > 20
