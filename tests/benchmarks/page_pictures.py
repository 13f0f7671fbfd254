"""Pictures of the HTML report's top for the docs, light and dark, wide and on a telephone. Needs Chromium.

    python tests/benchmarks/page_pictures.py report.html [-o docs/verdict]

Of a page that was made with --aggregates, if its data may not be passed on.
"""

from __future__ import annotations

import argparse
import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

WIDTHS = {"page": (1400, 1080), "page_narrow": (390, 1180)}


def main() -> None:
    """Write page.png, page_dark.png, page_narrow.png and page_narrow_dark.png."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("-o", "--output", type=Path, default=Path("docs/verdict"))
    options = parser.parse_args()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height) in WIDTHS.items():
            for scheme, ending in (("light", ""), ("dark", "_dark")):
                tab = browser.new_page(viewport={"width": width, "height": height}, color_scheme=scheme)
                tab.goto(options.page.resolve().as_uri())
                tab.wait_for_timeout(1000)
                shot = Image.open(io.BytesIO(tab.screenshot())).convert("RGB")
                path = options.output / f"{name}{ending}.png"
                shot.quantize(256, kmeans=8, dither=Image.Dither.NONE).save(path, optimize=True)
                print(f"{path}: {path.stat().st_size:,} bytes")
                tab.close()
        browser.close()


if __name__ == "__main__":
    main()
