"""The first place of each key, for more keys than a dictionary has room for."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import xxhash

_MAX_RECENT = 2**17


class FirstPlaces:
    """A mapping from texts to the positive integers that were given with them first.

    It takes 16 bytes a key, as it keeps digests of 64 bits: of 5,000,000 different keys, two share
    one with a probability of one in a million.
    """

    def __init__(self) -> None:
        self._digests = np.empty(0, dtype=np.uint64)
        self._places = np.empty(0, dtype=np.int64)
        self._recent: dict[int, int] = {}

    def setdefault(self, key: str, place: int) -> int:
        """Return the place that was given with a key first, which may be this one."""
        digest = xxhash.xxh3_64_intdigest(key.encode("utf-8", "surrogatepass"))
        # Unlike the array's items, those of its buffer are plain integers.
        sorted_digests = self._digests.data
        at = bisect_left(sorted_digests, digest)
        if at < len(sorted_digests) and sorted_digests[at] == digest:
            return int(self._places[at])
        first = self._recent.setdefault(digest, place)
        if len(self._recent) == _MAX_RECENT:
            self._merge()
        return first

    def _merge(self) -> None:
        recent = np.fromiter(self._recent, np.uint64, len(self._recent))
        places = np.fromiter(self._recent.values(), np.int64, len(self._recent))
        self._recent.clear()
        order = np.argsort(recent)
        at = np.searchsorted(self._digests, recent[order])
        # One array after the other, so that no more than one is there twice.
        self._digests = np.insert(self._digests, at, recent[order])
        self._places = np.insert(self._places, at, places[order])
