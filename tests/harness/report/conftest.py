"""A headless Chromium for pages, and a profile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.records.profile import Profile

from ..profiling import made


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What opens a browser or runs LaTeX is slow."""
    for item in items:
        if {"browser", "pdflatex"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def pdflatex() -> str:
    """The program."""
    found = shutil.which("pdflatex")
    if found is None or shutil.which("bibtex") is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs pdflatex and bibtex, and they are not there")
        pytest.skip("needs pdflatex and bibtex, which are not installed")
    return found


@pytest.fixture(scope="session")
def made_profile() -> Profile:
    """Seconds by K of the row erl of the suite s, from the tests of profiles: 2 s, 2.5 s, 4 s."""
    return made.profile(suite="s", row="erl")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium under Playwright."""
    found = shutil.which("chromium")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs chromium, and it is not there")
        pytest.skip("needs chromium, which is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page from disk; ends with a look at console, network and scripts that should not have run."""
    said: list[str] = []
    asked: list[str] = []
    tabs = []

    def opened(text: str, **options: Any) -> Any:
        file = tmp_path / f"report{len(tabs)}.html"
        file.write_text(text, encoding="utf-8")
        options = {"color_scheme": "light", "viewport": {"width": 1200, "height": 900}, **options}
        tab = browser.new_context(**options).new_page()
        tab.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri())
        tabs.append(tab)
        return tab

    yield opened
    hurt = [tab.evaluate("window.hurt") for tab in tabs]
    for tab in tabs:
        tab.context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []
    assert hurt == [None] * len(tabs)
