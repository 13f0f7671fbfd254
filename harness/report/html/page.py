"""The page: one self-contained file that needs no network; every string in it is escaped."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from ...._version import VERSION
from ...utils.text import fixed
from ..figures.colours import colour_of
from .content import CASE, PageSuite, as_json, as_rest

_PARTS = ("page.css", "page.js")
TRIAL_COLUMNS = (
    "Trial",
    "Data set",
    "Backbone",
    "Row",
    "K",
    "Purpose",
    "Seed",
    "Status",
    "Validation",
    "Test",
    "Epochs",
    "Seconds",
    "Settings",
)
"""As `page.js` fills them."""
_WORDS = {"Trial", "Data set", "Backbone", "Row", "Purpose", "Status", "Settings"}


def render_page(suites: Sequence[PageSuite], *, title: str) -> str:
    """The report as HTML."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    environment = Environment(
        loader=PackageLoader(__package__, "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    own = files(__package__)
    css, script = (own.joinpath(name).read_text(encoding="utf-8") for name in _PARTS)
    environment.filters["fixed"] = fixed
    return environment.get_template("page.html").render(
        title=title,
        version=VERSION,
        suites=suites,
        case_name=CASE,
        trial_columns=TRIAL_COLUMNS,
        trial_words=_WORDS,
        palette={
            place: colour_of(place, filled=True)
            for suite in suites
            for _, place in (*suite.strategies, ("", 0), ("", 2))
        },
        css=Markup(css),  # noqa: S704 - the package's own file
        script=Markup(script),  # noqa: S704 - the package's own file
        plotly=packed(get_plotlyjs()),
        rest=packed(json_text([as_rest(suite) for suite in suites])),
        data=Markup(script_json([as_json(suite) for suite in suites])),  # noqa: S704 - escaped there
    )


def script_json(value: Any) -> str:
    """JSON that can stand within a script element: nothing in it ends the element or opens a comment."""
    text = json_text(value)
    for sign in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def json_text(value: Any) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def packed(text: str) -> str:
    """Text as gzip in base64: what the page unpacks when it is first needed. The same text gives the same letters."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")
