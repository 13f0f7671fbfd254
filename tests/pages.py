"""The pages of the documentation, taken apart."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def page(name: str) -> str:
    """Text of a page of docs/."""
    return (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")


def blocks(text: str, language: str) -> list[str]:
    """Contents of the fenced blocks in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)


def typed(text: str) -> list[tuple[str, str]]:
    """Every command of the console blocks, and what the page shows of its output."""
    found = []
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command.partition(" # ")[0].strip(), output.strip()))
    return found


def files(text: str) -> dict[str, str]:
    """The files that a page shows, by the name in the comment of their first line."""
    shown = [*blocks(text, "yaml"), *blocks(text, "python")]
    return {block.partition("\n")[0].removeprefix("# "): block for block in shown if block.startswith("# ")}
