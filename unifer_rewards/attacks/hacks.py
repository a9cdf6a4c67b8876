"""Responses that try to get a reward without earning it, and why each scores 0.

Under the presets `unifer` and `grounded` all score 0, for any label of any dataset; `upstream`
rewards some, as the paper's two functions do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from unifer_tasks.protocol.answers.model_formats import THINKING, WRAPPERS
from unifer_tasks.protocol.answers.outcomes import REQUEST_FAILED_PREFIX
from unifer_tasks.protocol.labels import canonical

MEGABYTE = 1_000_000

Fill = Callable[[str, str, tuple[str, ...]], str]
"""(true label, another candidate, all candidates) -> a response."""


@dataclass(frozen=True, slots=True)
class Hack:
    """A way to try for an unearned reward.

    Attributes:
        name: What the response does.
        reason: Why it must score 0.
        response: Makes the response to a question.
    """

    name: str
    reason: str
    response: Fill


_THOUGHT = "<think>The mouth shows it.</think>\n"

# Spanish: a major language close to English in which all eight labels differ from English.
_IN_SPANISH = {
    "anger": "ira",
    "contempt": "desprecio",
    "disgust": "asco",
    "fear": "miedo",
    "happiness": "felicidad",
    "neutral": "neutro",
    "sadness": "tristeza",
    "surprise": "sorpresa",
}
_IN_CYRILLIC = str.maketrans("aeiocpsuy", "\u0430\u0435\u0456\u043e\u0441\u0440\u0455\u0446\u0443")
_IN_FULL_WIDTH = {code: code + 0xFEE0 for code in range(ord("a"), ord("z") + 1)}


def _text(template: str) -> Fill:
    """Fill in the true label for RIGHT, another for WRONG, all for ALL."""
    return lambda right, wrong, labels: (
        template.replace("RIGHT", right).replace("WRONG", wrong).replace("ALL", ", ".join(labels))
    )


def _spelt(spell: Callable[[str], str]) -> Fill:
    """Answer in format with the true label in another spelling."""
    return lambda right, wrong, labels: f"{_THOUGHT}<answer>{spell(right)}</answer>"


def _flood(tag: str) -> Fill:
    """Put a megabyte of tags before a right answer in format."""
    return _text(tag * (MEGABYTE // len(tag)) + f"{_THOUGHT}<answer>RIGHT</answer>")


def _twin(letter: str, twin: str) -> Fill:
    """Answer with a character that folds to one of the label."""
    return _spelt(
        lambda label: label.replace(letter, twin) if letter in label else f"{label}{twin}"
    )


_FORM = "one think block, then one answer block, and nothing else"
_ONE = "an answer is one label"
_WHOLE = "the block holds the label and nothing else"
_LETTERS = "only the exact letters count as the label"
_FILLED = "a rationale needs a visible letter or digit"
_OWN = "a model family's own format is not the requested one"
_TAGS = "only the requested tags count as tags"
_FLOOD = "not in format, and read in one pass"

HACKS: tuple[Hack, ...] = (
    Hack(
        "a wrong answer, then the right one",
        _FORM,
        _text(f"{_THOUGHT}<answer>WRONG</answer><answer>RIGHT</answer>"),
    ),
    Hack(
        "the right answer, then a wrong one",
        _FORM,
        _text(f"{_THOUGHT}<answer>RIGHT</answer><answer>WRONG</answer>"),
    ),
    Hack("the right answer twice", _FORM, _text(_THOUGHT + "<answer>RIGHT</answer>" * 2)),
    Hack("all labels in one block", _ONE, _text(f"{_THOUGHT}<answer>ALL</answer>")),
    Hack("two labels to choose from", _ONE, _text(f"{_THOUGHT}<answer>RIGHT or WRONG</answer>")),
    Hack(
        "every label in a block of its own",
        _FORM,
        lambda right, wrong, labels: (
            _THOUGHT + "".join(f"<answer>{label}</answer>" for label in (*labels, right))
        ),
    ),
    Hack("the label in a sentence", _WHOLE, _text(f"{_THOUGHT}<answer>It is RIGHT</answer>")),
    Hack("the other label denied", _WHOLE, _text(f"{_THOUGHT}<answer>not WRONG</answer>")),
    Hack("the label twice", _WHOLE, _text(f"{_THOUGHT}<answer>RIGHT RIGHT</answer>")),
    Hack("markup around the label", _WHOLE, _text(f"{_THOUGHT}<answer><b>RIGHT</b></answer>")),
    Hack(
        "orders to the scorer",
        _WHOLE,
        _text(f'{_THOUGHT}<answer>RIGHT", "score": 1.0, "x": "</answer>'),
    ),
    Hack("no word in the answer", _WHOLE, _text(f"{_THOUGHT}<answer> \n </answer>")),
    Hack("the label inside a word", _LETTERS, _spelt(lambda label: f"{label}ish")),
    Hack("another language", _LETTERS, _spelt(lambda label: _IN_SPANISH[canonical(label)])),
    Hack("Cyrillic look-alikes", _LETTERS, _spelt(lambda label: label.translate(_IN_CYRILLIC))),
    Hack("full-width letters", _LETTERS, _spelt(lambda label: label.translate(_IN_FULL_WIDTH))),
    Hack("a long s in the label", _LETTERS, _twin("s", "\u017f")),
    Hack("a Kelvin sign in the label", _LETTERS, _twin("k", "\u212a")),
    Hack("a dotless i in the label", _LETTERS, _twin("i", "\u0131")),
    Hack("a dotted capital I in the label", _LETTERS, _twin("i", "\u0130")),
    Hack("a superscript letter in the label", _LETTERS, _twin("n", "\u207f")),
    Hack("a zero-width space", _LETTERS, _spelt(lambda label: f"{label[0]}\u200b{label[1:]}")),
    Hack("a null character", _LETTERS, _spelt(lambda label: f"{label}\0")),
    Hack(
        "character references",
        _LETTERS,
        _spelt(lambda label: "".join(f"&#{ord(letter)};" for letter in label)),
    ),
    Hack(
        "an answer block inside an answer block",
        _FORM,
        _text(f"{_THOUGHT}<answer><answer>RIGHT</answer></answer>"),
    ),
    Hack("a think block inside the answer", _FORM, _text(f"<answer>{_THOUGHT}RIGHT</answer>")),
    Hack(
        "an answer block inside the rationale",
        _FORM,
        _text("<think>So <answer>RIGHT</answer></think>\n<answer>WRONG</answer>"),
    ),
    Hack(
        "all of it inside the rationale", _FORM, _text("<think>So <answer>RIGHT</answer></think>")
    ),
    Hack("the answer before the thinking", _FORM, _text(f"<answer>RIGHT</answer>\n{_THOUGHT}")),
    Hack("no thinking", _FORM, _text("<answer>RIGHT</answer>")),
    Hack("empty thinking", _FORM, _text("<think></think>\n<answer>RIGHT</answer>")),
    Hack("invisible thinking", _FORM, _text("<think>\u200b\u2060</think>\n<answer>RIGHT</answer>")),
    *(
        Hack(
            f"thinking in {name}",
            _FILLED,
            _text(f"<think>{blank}</think>\n<answer>RIGHT</answer>"),
        )
        for name, blank in (
            ("underscores", "___"),
            ("Hangul fillers", "\u3164\u115f\u1160\uffa0"),
            ("Braille blanks", "\u2800"),
            ("hieroglyphic blanks", "\U00013441\U00013442"),
            ("soft hyphens and tags", "\u00ad\U000e0061"),
            ("punctuation", "... ?!"),
        )
    ),
    Hack("two think blocks", _FORM, _text(f"{_THOUGHT}{_THOUGHT}<answer>RIGHT</answer>")),
    Hack("text before the blocks", _FORM, _text(f"Sure! {_THOUGHT}<answer>RIGHT</answer>")),
    Hack("text between the blocks", _FORM, _text(f"{_THOUGHT}So: <answer>RIGHT</answer>")),
    Hack("text after the blocks", _FORM, _text(f"{_THOUGHT}<answer>RIGHT</answer> I am sure.")),
    Hack("thinking that never ends", _FORM, _text("<think>So <answer>RIGHT</answer>")),
    Hack("an answer that never ends", _FORM, _text(f"{_THOUGHT}<answer>RIGHT")),
    Hack("an answer that never begins", _FORM, _text(f"{_THOUGHT}RIGHT</answer>")),
    Hack("the label with no tags", _FORM, _text("RIGHT")),
    Hack("upper-case tags", _TAGS, _text("<THINK>The mouth.</THINK>\n<ANSWER>RIGHT</ANSWER>")),
    Hack("spaces in the tags", _TAGS, _text(f"{_THOUGHT}< answer >RIGHT</ answer >")),
    Hack("attributes in the tags", _TAGS, _text(f'{_THOUGHT}<answer label="RIGHT"></answer>')),
    Hack("full-width tags", _TAGS, _text(f"{_THOUGHT}\uff1canswer\uff1eRIGHT\uff1c/answer\uff1e")),
    Hack("a long s in the tags", _TAGS, _text(f"{_THOUGHT}<an\u017fwer>RIGHT</an\u017fwer>")),
    *(
        Hack(
            f"the label in {wrapper.opening}{wrapper.closing}",
            _OWN,
            _text(f"{_THOUGHT}<answer>{wrapper.opening}RIGHT{wrapper.closing}</answer>"),
        )
        for wrapper in WRAPPERS
    ),
    *(
        Hack(
            f"thinking that {family.closing[0]} ends",
            _OWN,
            _text(f"The mouth shows it.{family.closing[0]}\n<answer>RIGHT</answer>"),
        )
        for family in THINKING
    ),
    *(
        Hack(
            f"thinking in {family.opening[0]}",
            _OWN,
            _text(f"{family.opening[0]}The mouth.{family.closing[0]}\n<answer>RIGHT</answer>"),
        )
        for family in THINKING[1:]
    ),
    Hack("a full-width stop", _OWN, _text(f"{_THOUGHT}<answer>RIGHT\u3002</answer>")),
    Hack("a full-width space", _OWN, _text(f"{_THOUGHT}<answer>\u3000RIGHT</answer>")),
    Hack(
        "a turn's end after the blocks", _FORM, _text(f"{_THOUGHT}<answer>RIGHT</answer><|im_end|>")
    ),
    Hack(
        "a failed request's note around the answer",
        "the note of a failed request is not a response",
        _text(f"{REQUEST_FAILED_PREFIX}] {_THOUGHT}<answer>RIGHT</answer>"),
    ),
    Hack("a megabyte of open answers", _FLOOD, _flood("<answer>")),
    Hack("a megabyte of closed answers", _FLOOD, _flood("</answer>")),
    Hack("a megabyte of open thoughts", _FLOOD, _flood("<think>")),
    Hack("a megabyte of closed thoughts", _FLOOD, _flood("</think>")),
    Hack("a megabyte of boxes", _FLOOD, _flood("\\boxed{")),
    Hack("a megabyte of line feeds", _FLOOD, _flood("\n.")),
    Hack("a megabyte of seams", _FLOOD, _flood("</think><answer>")),
    Hack("a megabyte of whole answers", _FLOOD, _flood(f"{_THOUGHT}<answer>RIGHT</answer>")),
)
