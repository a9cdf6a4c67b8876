from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unifer_tasks.support.arguments import arguments_text, named_arguments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("a=1", {"a": "1"}),
        (" a=1, b=x=y ,", {"a": "1", "b": "x=y"}),
        ("a=1,a=2", {"a": "2"}),
        ('a={"b": 1, "c": [2, 3]},d=4', {"a": '{"b": 1, "c": [2, 3]}', "d": "4"}),
        ("a='x,y',b=\"p,'q\"", {"a": "'x,y'", "b": '"p,\'q"'}),
        (r"a=it\'s,b=2", {"a": r"it\'s", "b": "2"}),
        ("a=", {"a": ""}),
    ],
)
def test_values_are_found_by_name(text: str, expected: dict[str, str]) -> None:
    assert named_arguments(text) == expected


@pytest.mark.parametrize("text", ["a", "a=1,b", "a=[1,2],x"])
def test_a_part_without_a_name_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="must have the form NAME=VALUE,NAME=VALUE"):
        named_arguments(text)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, ""),
        ({"a": 1, "b": True, "c": "x=y"}, "a=1,b=true,c=x=y"),
        ({"a": {"b": [1, 2]}, "c": "[3,4]"}, 'a={"b": [1, 2]},c=[3,4]'),
    ],
)
def test_values_are_written_for_lmms_eval(values: dict[str, object], expected: str) -> None:
    assert arguments_text(values) == expected


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from("xyz"), st.text("ab=,[]{}\"'\\", max_size=8)))
def test_what_is_written_is_read(values: dict[str, str]) -> None:
    with suppress(ValueError):
        assert named_arguments(arguments_text(values)) == values


@pytest.mark.parametrize("value", ["1,2", "a,", "[1", "'a"])
def test_what_lmms_eval_would_split_is_an_error(value: str) -> None:
    with pytest.raises(ValueError, match=r"cannot hold x=.*: lmms-eval splits it at commas"):
        arguments_text({"x": value})


@settings(deadline=None)
@given(st.text("ab=,[]{}\"'\\ ", max_size=20))
def test_it_splits_as_lmms_eval_does(text: str) -> None:
    utils = pytest.importorskip("lmms_eval.utils")
    try:
        expected = utils.simple_parse_args_string(text)
    except ValueError:
        with pytest.raises(ValueError, match="must have the form"):
            named_arguments(text)
        return
    found = {name: utils.handle_arg_string(value) for name, value in named_arguments(text).items()}
    assert found == expected
