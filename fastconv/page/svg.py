"""Charts as SVG that stands in a page: by Vega-Lite, drawn without a browser by vl-convert.

One drawing serves light and dark: its colours are names that the page's style sheet gives values.
"""

from __future__ import annotations

import html
import re
from typing import Any

from fastconv.errors import UsageError

VEGA_LITE = "5.20"
INK, MUTED, RULE, AXIS = "var(--ink)", "var(--muted)", "var(--rule)", "var(--axis)"
FIRST, SECOND = "var(--c1)", "var(--c2)"
HEAT = [f"var(--h{n})" for n in range(7)]
CONFIG: dict[str, Any] = {
    "aria": False,  # each chart is one image with a name; its numbers are in a table
    "background": None,
    "font": "sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": MUTED,
        "titleColor": INK,
        "gridColor": RULE,
        "domainColor": AXIS,
        "tickColor": AXIS,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "titlePadding": 8,
        "labelLimit": 120,
        "tickSize": 4,
    },
    "axisX": {"grid": False, "labelOverlap": True, "tickCount": 6},
    "axisY": {"domain": False, "ticks": False, "tickCount": 4, "labelPadding": 6},
    "legend": {
        "labelColor": MUTED,
        "titleColor": INK,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "orient": "top",
        "direction": "horizontal",
        "offset": 8,
        "gradientHorizontalMaxLength": 400,
        "symbolStrokeWidth": 0,
        "symbolSize": 110,
        "columnPadding": 28,
        "labelLimit": 220,
    },
    "bar": {"color": FIRST},
    "line": {"color": FIRST, "strokeWidth": 1.6},
}


def required() -> Any:
    """The library that draws. Raises UsageError where it, or the templates', is not installed."""
    try:
        import jinja2  # noqa: F401
        import vl_convert
    except ImportError:
        raise UsageError(
            "a report needs Vega-Lite and Jinja: pip install 'fastconv[report]'"
        ) from None
    return vl_convert


def draw(spec: dict[str, Any], ident: str, label: str) -> str:
    """A Vega-Lite specification as an <svg> element, ``label`` its accessible name. No data are
    fetched: all values stand in the specification."""
    whole = {
        "$schema": "https://vega.github.io/schema/vega-lite/v5.json",
        "padding": {"left": 8, "right": 10, "top": 4, "bottom": 4},
        "config": CONFIG,
        **spec,
    }
    drawn: str = required().vegalite_to_svg(whole, vl_version=VEGA_LITE, allowed_base_urls=[])
    head, _, rest = drawn.partition(">")
    width, height = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)[0]
    rest = re.sub(r' (?:font-family|style|role|aria-\w+)="[^"]*"', "", rest)
    rest = re.sub(r' pointer-events="none"| class="[^"]*"| stroke-miterlimit="10"', "", rest)
    rest = re.sub(r'<path d="(?:M0,0h0v0h0Z)?"(?: display="none")?/>', "", rest)
    rest = re.sub(r"<g>(\s*)</g>", "", rest)
    rest = re.sub(r'(id="|url\(#)', rf"\g<1>{ident}-", rest)
    return (
        f'<svg role="img" aria-label="{html.escape(label)}" focusable="false" '
        f'viewBox="0 0 {width} {height}" width="{width}" height="{height}">{rest}'
    )
