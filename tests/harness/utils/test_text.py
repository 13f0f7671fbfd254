"""Words from data obey nobody's commands: terminals, LaTeX, Markdown."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest

from rearec_bench.harness.datasets import catalog, describe
from rearec_bench.harness.monitor.events import RunStopping
from rearec_bench.harness.monitor.terminal import LineReporter
from rearec_bench.harness.report.formats.latex import escape as latex
from rearec_bench.harness.report.formats.markdown import escape as markdown
from rearec_bench.harness.report.report import render
from rearec_bench.harness.report.table import ColumnGroup, Line, RowGroup, Table, TableCell
from rearec_bench.harness.report.trial import trial_text
from rearec_bench.harness.store.store import Store
from rearec_bench.harness.utils.text import columns, lines, one_line, wrapped

HOSTILE = "\x1b[2J\x1b]0;owned\x07 a\u202egpj.exe\u2066 b\x9b31m c\rd\ne\x00f\u2028g\x7f"


def obeyed(text: str) -> set[str]:
    """The characters of a text that a terminal obeys; line ends are the printer's own."""
    kinds = ("Cc", "Cf", "Zl", "Zp", "Cs")
    return {character for character in text if unicodedata.category(character) in kinds} - {"\n", "\u200c", "\u200d"}


def test_every_character_that_a_terminal_obeys_is_shown_as_what_it_is() -> None:
    assert one_line("\x1b[31mred\u202e\n\x00") == "\\x1b[31mred\\u202e\\n\\x00"
    every = "".join(map(chr, [*range(0x3000), 0xFEFF, 0xE0001, 0xD800, 0x1F600]))
    assert obeyed(one_line(every)) == set() and "\n" not in one_line(every)
    assert obeyed(lines(every)) <= {"\t"}


@pytest.mark.parametrize("word", ["Amélie", "東京物語", "می\u200cخواهم", "👩\u200d🔬", "a_b & 100%", "naïve — “q”"])
def test_words_of_any_script_stay_as_they_are(word: str) -> None:
    assert one_line(word) == lines(word) == word


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("<script>", r"\<script>"),
        ("[x](http://y)", r"[x\](http://y)"),
        ("`code` *bold*", r"\`code\` \*bold\*"),
        ("_it_ snake_case", r"\_it\_ snake_case"),
        ("prl_x[decay=1]", "prl_x[decay=1]"),
        (r"\| \x1b", r"\\\| \x1b"),
        ("&lt; A & B", r"\&lt; A & B"),
        ("a\nb", "a\\nb"),
    ],
)
def test_markdown_of_a_text_is_that_text(text: str, shown: str) -> None:
    assert markdown(text) == shown


def test_latex_has_no_line_end_and_no_command_of_a_text() -> None:
    shown = latex("\\input{/etc/passwd}\n\n%\x1b\u202e^^41")
    assert "\n" not in shown and obeyed(shown) == set()
    assert re.findall(r"\\[a-zA-Z]+", shown) == [
        r"\textbackslash",
        *[r"\textbackslash"] * 2,
        *[r"\textbackslash"] * 2,
        *[r"\textasciicircum"] * 2,
    ]


@pytest.mark.parametrize("form", ["markdown", "latex"])
def test_a_table_of_hostile_names_obeys_none(form: str) -> None:
    def table_of(word: str) -> Table:
        cells = (TableCell("text", text=word), TableCell("value", 0.5))
        return Table(
            name="t",
            title=word,
            caption=word,
            columns=(ColumnGroup(word, (word, word)),),
            groups=(RowGroup((word,), (Line(word, cells),)),),
            protocol=(word,),
            fields=(),
            records=(),
        )

    text, plain = (render([table_of(word)] * 2, format=form) for word in (HOSTILE, "x"))
    assert obeyed(text) == set()
    assert text.count("\n") == plain.count("\n")


def test_a_card_of_hostile_words_obeys_none(tmp_path: Path) -> None:
    card = {**catalog.card("tiny", tmp_path), "name": HOSTILE, "recipe": HOSTILE, "note": HOSTILE}
    card["protocol"] = {**card["protocol"], "split": HOSTILE, "history": HOSTILE}
    card["versions"] = {HOSTILE: HOSTILE}
    shown = describe.card_lines(card)
    vectors = {**catalog.vectors_card("tiny", data_dir=tmp_path), "encoder": HOSTILE}
    shown += describe.vector_lines(vectors)
    assert all(obeyed(line) == set() and "\n" not in line for line in shown)


def test_a_trial_with_hostile_words_is_shown_without_them(tmp_path: Path, synthetic: ModuleType) -> None:
    made = synthetic.trial(synthetic.spec(settings={"name": HOSTILE}), status="failed")
    made = dataclasses.replace(made, reason=HOSTILE, traceback=f"{HOSTILE}\n{HOSTILE}", environment={"cpu": HOSTILE})
    Store(tmp_path).write(made)
    assert obeyed(trial_text(made.key, store=Store(tmp_path), width=100)) == set()


def test_what_a_run_says_of_a_hostile_reason_is_one_line(synthetic: ModuleType) -> None:
    out = StringIO()
    LineReporter(out).handle(RunStopping("limit", 0, HOSTILE, by_signal=False))
    assert out.getvalue().count("\n") == 1 and obeyed(out.getvalue()) == set()


ROWS = [("row", "of", "first", "second"), ("a name", "b", "1.0%", "20")]


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (None, ["row      of   first   second", "a name   b     1.0%       20"]),
        (28, ["row      of   first   second", "a name   b     1.0%       20"]),
        (27, ["row      of   first", "a name   b     1.0%", "", "row      of   second", "a name   b        20"]),
        (5, ["row      of   first", "a name   b     1.0%", "", "row      of   second", "a name   b        20"]),
    ],
)
def test_numbers_that_do_not_fit_stand_in_further_blocks(width: int | None, shown: list[str]) -> None:
    assert columns(ROWS, left=2, width=width) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short\n\n  one two three four", "short\n\n  one two\n  three four"),
        ("| a | table of words |", "| a | table of words |"),
        ("aligned   columns of words", "aligned   columns of words"),
        ("Type:  rearec-bench run my.yaml", "Type:  rearec-bench run my.yaml"),
    ],
)
def test_prose_is_broken_between_words_and_nothing_else_is(text: str, shown: str) -> None:
    assert (wrapped(text, 12), wrapped(text, None)) == (shown, text)
