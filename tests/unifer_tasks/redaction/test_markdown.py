from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unifer_tasks.support.hostile import NAMES
from unifer_tasks.redaction.characters import one_line
from unifer_tasks.redaction.markdown import Markdown, bullets, code, escape, front_matter, table

ANY_TEXT = st.text(st.characters(codec=None)) | st.text("a1 |\\`*_[]()<>&#-+.!~:\n\x1b")

# A reader of its own, which the full environment has.
RENDERER = (
    pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
)


class _Page(HTMLParser):
    """Collect the tags and the text of a rendered page."""

    def __init__(self, markdown: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.feed(RENDERER.render(markdown))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(markdown: str) -> tuple[set[str], str]:
    page = _Page(markdown)
    return set(page.tags), " ".join(page.text.split())


def check_is_shown(text: str) -> None:
    """Check that a text is read as it is wherever it stands, and makes nothing else."""
    expected = one_line(text)
    assert shown(f"# {escape(text)}.") == ({"h1"}, f"{expected}.")
    assert shown(f"Of {escape(text)}.") == ({"p"}, f"Of {expected}.")
    assert shown(f"Of {code(text)}.") == ({"p", "code"}, f"Of {expected}.")
    tags = {"table", "thead", "tbody", "tr", "th", "td"}
    words = " ".join(f"< of {expected} b".split())
    assert shown(table(("<", "of"), [(text, "b")])) == (tags, words)
    assert shown(table(("<", "of"), [(code(text), "b")])) == (tags | {"code"}, words)
    assert shown(bullets([text, "b"])) == ({"ul", "li"}, f"{expected} b".strip())


@pytest.mark.parametrize("text", NAMES)
def test_hostile_texts_are_shown_as_they_are(text: str) -> None:
    check_is_shown(text)


@given(ANY_TEXT)
def test_any_text_is_shown_as_it_is(text: str) -> None:
    check_is_shown(text)


@pytest.mark.parametrize("text", NAMES)
def test_a_table_has_its_rows_and_columns(text: str) -> None:
    page = _Page(table((text, "n"), [(text, 1), (code(text), 2)], numeric=[1]))
    assert (page.tags.count("tr"), page.tags.count("th"), page.tags.count("td")) == (3, 2, 4)


def test_what_is_plain_is_written_as_it_is() -> None:
    assert escape("RAF-DB, 1,234 of 5.6 %") == "RAF-DB, 1,234 of 5.6 %"
    assert code("train-00000.parquet") == "`train-00000.parquet`"
    assert escape(Markdown("**bold**")) == "**bold**"
    assert table(("a", "n"), [("b", 1)], numeric=[1]) == "| a | n |\n| --- | ---: |\n| b | 1 |"
    assert bullets(["a", "b"]) == "* a\n* b"


@pytest.mark.parametrize("text", NAMES)
def test_a_header_holds_any_name(text: str) -> None:
    check_header({"name": text, "list": [text, 1], "of": {text: None}})


@given(st.text(st.characters(codec="utf-8")))
def test_a_header_holds_any_text(text: str) -> None:
    check_header({"name": text})


def check_header(fields: dict[str, Any]) -> None:
    yaml = pytest.importorskip("yaml")
    header = front_matter(fields)
    first, *lines, last = header.split("\n")
    assert (first, last) == ("---", "---")
    assert yaml.safe_load("\n".join(lines)) == fields
    values = [json.loads(line.partition(": ")[2]) for line in lines]
    assert values == list(fields.values())
    assert not set(header) & set("\x1b\u202e\u2028\x85")
