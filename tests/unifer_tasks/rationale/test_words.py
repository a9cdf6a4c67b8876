from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unifer_tasks.rationale import slow_reference
from tests.unifer_tasks.rationale.slow_reference import LEXICON, MEANING_OF
from unifer_tasks.rationale.words import Words, normalise, sentences, tokens, words_of

PHRASE_OR_WORD = st.one_of(
    st.sampled_from(sorted(MEANING_OF)).map(list),
    st.sampled_from(sorted({(word,) for phrase in MEANING_OF for word in phrase})).map(list),
    st.sampled_from([[word] for word in (*LEXICON["skipped"], "table")]),
)


def spaced(words: list[str]) -> Words:
    """Return words with a space between two."""
    ends = [len(" ".join(words[: at + 1])) for at in range(len(words))]
    return Words(words, [end - len(word) for end, word in zip(ends, words, strict=True)], ends)


@settings(deadline=None, max_examples=500)
@given(st.lists(PHRASE_OR_WORD, max_size=12))
def test_phrases_are_those_of_a_plain_search(pieces: list[list[str]]) -> None:
    words = [word for piece in pieces for word in piece]
    assert list(tokens(spaced(words))) == list(slow_reference.tokens(words))


@settings(deadline=None)
@given(st.text(alphabet="ab 1lr.,;?!()'’\n\u00a0İ*-"))  # noqa: RUF001
def test_the_words_of_a_text_are_those_of_its_sentences(text: str) -> None:
    spelt = normalise(text)
    assert len(spelt) == len(text)
    assert "".join(sentences(spelt)) == spelt
    found = [word for sentence in sentences(spelt) for word in words_of(sentence).texts]
    assert found == list(words_of(spelt).texts)
    for sentence in sentences(spelt):
        words, starts, ends = words_of(sentence)
        places = zip(starts, ends, strict=True)
        assert list(words) == [sentence[start:end] for start, end in places]


def test_no_more_than_eight_words_are_skipped_within_a_phrase() -> None:
    for skipped, kind in ((8, "negator"), (9, "denial")):
        words = ["free", *["very"] * skipped, "of"]
        assert next(tokens(spaced(words))).kind == kind
