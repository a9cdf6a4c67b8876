"""Where keys stood first, against a dictionary."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unifer_tasks.data import first_places
from unifer_tasks.data.first_places import FirstPlaces


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(keys=st.lists(st.text(st.characters(categories=None), max_size=2), max_size=60))
def test_it_is_a_dictionarys_setdefault(keys: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_places, "_MAX_RECENT", 5)
    places, expected = FirstPlaces(), dict[str, int]()
    for place, key in enumerate(keys, start=1):
        assert places.setdefault(key, place) == expected.setdefault(key, place)


def test_many_keys_are_found_again() -> None:
    places = FirstPlaces()
    n = 3 * first_places._MAX_RECENT // 2
    for turn in range(2):
        for number in range(1, n, 2 - turn):
            first = places.setdefault(str(number), number + turn * n)
            assert first == number if number % 2 else first == number + n
