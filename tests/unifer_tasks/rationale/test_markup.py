from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unifer_tasks.rationale.markup import blank_hidden


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("plain", "plain"),
        ("**bold** _it_ # head\n* item `code` 3 < 4 > 2", None),
        ("a <b>b</b> <br/>c", "a b c"),
        ("a<!-- b -->c", "a c"),
        ("a<!-- b", "a"),
        ("a<!-- b > c --> d", "a d"),
        ("a<!b>c", "a c"),
        ("a<![CDATA[b]]>c", "a c"),
        ("a<?b?>c", "a c"),
        ("a <span hidden>b</span> c", "a c"),
        ("a <SPAN STYLE='display:none'>b</SPAN> c", "a c"),
        ("a <span hidden>b", "a"),
        ("a <div class=x><div>b</div> c</div> d", "a d"),
        ("a <div hidden><p>b</p></div> c", "a c"),
        ('a <img alt="b"> c', "a c"),
        ('a <input value="b"/> c', "a c"),
        ("a <del>b</del> c", "a c"),
        ("a <script>b</script> c", "a c"),
        ("a </span> b", "a b"),
        ("a ~~b~~ c", "a c"),
        ("a ~~b", None),
        ("a\n```\nb\n```\nc", "a c"),
        ("a\n```\nb", "a"),
        ("a ![b](c) d", "a d"),
        ('a [b](c "d") e', "a [b] e"),
        ("a\n[//]: # (b)\nc", "a c"),
        ("a /* b */ c", "a c"),
        ("a and/or b", None),
        ("a /* b", None),
        ("a {# b #} {{!-- c --}} d", "a d"),
        (r"a \phantom{b} c", "a c"),
        (r"a \begin{comment}b\end{comment} c", "a c"),
    ],
)
def test_shown(text: str, words: str | None) -> None:
    assert " ".join(blank_hidden(text).split()) == " ".join(
        (text if words is None else words).split()
    )


PIECES = [
    "<!--",
    "-->",
    "<p>",
    "<p hidden>",
    "</p>",
    "~~",
    "```",
    "/*",
    "*/",
    "](",
    "![",
    "a",
    "\n",
]


@given(st.one_of(st.text(), st.lists(st.sampled_from(PIECES), max_size=12).map("".join)))
def test_places_stay(text: str) -> None:
    after = blank_hidden(text)
    assert len(after) == len(text)
    assert all(new in {old, " "} for old, new in zip(text, after, strict=True))


@pytest.mark.parametrize(
    "piece",
    ["<!--", "<p hidden>", "<p ", "<p>", "~~ ", "/* ", "{# ", "||", "![", "](", "[", "\n[a",
     "<!", "<?", "<p hidden></p>", "<b hidden><p hidden>", "\\phantom{", "\\iffalse ", "```",
     "<![cdata["],
)  # fmt: skip
def test_a_long_text_is_read_in_one_pass(piece: str) -> None:
    # Not timed: what takes quadratic time takes minutes here.
    text = piece * (2_000_000 // len(piece))
    assert len(blank_hidden(text)) == len(text)
