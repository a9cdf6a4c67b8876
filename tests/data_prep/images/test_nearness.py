from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from data_prep.images.nearness import near_pairs


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 2**32), max_bits=st.sampled_from([0, 1, 7, 20, 31, 32, 100]))
def test_no_pair_within_reach_is_lost(seed: int, max_bits: int) -> None:
    """Families of versions: some share no more than the one band that they must."""
    rng = np.random.default_rng(seed)
    bits = np.repeat(rng.integers(0, 2, (10, 256)), 6, axis=0)
    for version in bits:
        version[rng.choice(256, int(rng.integers(0, max_bits + 2)), replace=False)] ^= 1
    hashes = np.unique(np.packbits(bits, axis=1), axis=0)
    differ = np.unpackbits(hashes[:, None] ^ hashes[None], axis=2).sum(axis=2)
    expected = {(i, j, differ[i, j]) for i, j in np.argwhere(differ <= max_bits) if i < j}
    assert set(map(tuple, near_pairs(hashes, max_bits, jobs=1).tolist())) == expected
