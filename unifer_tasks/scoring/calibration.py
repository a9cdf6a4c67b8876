"""Calibration: is a label that is given 70 % right in 70 of 100 questions?

Of each question, the probabilities of all candidates and the true label are needed
(`variants.ranking`); the answer is the likeliest candidate, its probability the confidence.

* **ECE**, the expected calibration error: the distance of accuracy and mean confidence in bins of
  equal width, averaged over the answers (C. Guo et al., "On Calibration of Modern Neural
  Networks", ICML 2017, section 2). It is above 0 by chance even where a model is calibrated, so
  `noise` gives the size: the bound below which the ECE of as many answers of a calibrated model of
  these confidences stays with a probability of 95 % (consistency resampling; J. Broecker and
  L. A. Smith, Weather and Forecasting 22 (2007) 651-661).
* **Brier score**: the squared distance of the probabilities from the truth, summed over the
  candidates and averaged over the questions; from 0 to 2 (G. W. Brier, Monthly Weather Review 78
  (1950) 1-3).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from unifer_tasks.scoring.intervals import LEVEL, Estimate, percentiles, proportion

N_BINS = 15
"""As in Guo et al."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence lies in (low, high], a point of the reliability plot.

    Attributes:
        low: Its lower bound.
        high: Its upper bound.
        n: How many answers.
        confidence: Their mean confidence.
        accuracy: The share of right ones, with Wilson's interval.
    """

    low: float
    high: float
    n: int
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class Calibration:
    """How well a model's probabilities match its accuracy.

    Attributes:
        n: Questions.
        accuracy: The share of questions whose likeliest candidate is right.
        confidence: The mean probability of the likeliest candidate.
        ece: The expected calibration error; its interval takes off the error that chance adds.
        noise: What the ECE of a calibrated model of these confidences hardly exceeds.
        brier: The Brier score.
        bins: Those that hold answers, by confidence.
    """

    n: int
    accuracy: float
    confidence: float
    ece: Estimate
    noise: float
    brier: Estimate
    bins: tuple[Bin, ...]

    @property
    def is_calibrated(self) -> bool:
        """Return whether chance alone explains the ECE."""
        return self.ece.value <= self.noise


def calibration(
    rankings: Sequence[Mapping[str, float]],
    targets: Sequence[str],
    *,
    n_bins: int = N_BINS,
    n_draws: int = 1000,
) -> Calibration:
    """Measure the calibration of answers.

    Args:
        rankings: For each question, candidate -> probability, in sum 1.
        targets: The true labels.
        n_bins: Bins of equal width between 0 and 1.
        n_draws: Draws of the bootstrap and of the resampling.

    Raises:
        ValueError: There is no question, the lengths differ, a target is not a candidate, or the
            probabilities of a question are not in sum 1.
    """
    if not rankings or len(rankings) != len(targets):
        raise ValueError(f"{len(rankings)} rankings of {len(targets)} questions: give one for each")
    for number, (ranking, target) in enumerate(zip(rankings, targets, strict=True)):
        if target not in ranking:
            raise ValueError(f"ranking {number} lacks the true label {target!r}")
        if not math.isclose(sum(ranking.values()), 1, abs_tol=1e-6):
            raise ValueError(f"the probabilities of ranking {number} are in sum not 1")
    answers = [max(ranking, key=ranking.__getitem__) for ranking in rankings]
    pairs = list(zip(answers, targets, strict=True))
    confidence = np.array([own[answer] for own, answer in zip(rankings, answers, strict=True)])
    right = np.array([answer == target for answer, target in pairs], dtype=np.float64)
    # The n-th of n bins holds 1.
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    return Calibration(
        n=len(pairs),
        accuracy=float(right.mean()),
        confidence=float(confidence.mean()),
        ece=_ece_interval(right - confidence, bins, n_draws),
        noise=_noise(confidence, bins, n_draws),
        brier=_mean(np.array(list(map(_brier, rankings, targets)))),
        bins=tuple(_bins(confidence, right, bins, n_bins)),
    )


def _brier(ranking: Mapping[str, float], target: str) -> float:
    return sum((own - (label == target)) ** 2 for label, own in ranking.items())


def _ece(gaps: Floats, bins: NDArray[np.int64]) -> float:
    return float(np.abs(np.bincount(bins, gaps)).sum() / len(gaps))


def _ece_interval(gaps: Floats, bins: NDArray[np.int64], n_draws: int) -> Estimate:
    """Return the ECE with a basic bootstrap interval.

    A draw exceeds the sample's ECE by about as much as that exceeds the true one; the basic
    interval, unlike that of percentiles, takes this off.
    """
    value, random = _ece(gaps, bins), np.random.default_rng(0)
    draws = np.empty(n_draws)
    for draw in range(n_draws):
        rows = random.integers(len(gaps), size=len(gaps))
        draws[draw] = _ece(gaps[rows], bins[rows])
    low, high = percentiles(draws)
    return Estimate(value, (max(0.0, 2 * value - high), max(0.0, 2 * value - low)))


def _noise(confidence: Floats, bins: NDArray[np.int64], n_draws: int) -> float:
    random = np.random.default_rng(0)
    draws = [
        _ece((random.random(len(confidence)) < confidence) - confidence, bins)
        for _ in range(n_draws)
    ]
    return float(np.quantile(draws, LEVEL))


def _mean(values: Floats) -> Estimate:
    mean = float(values.mean())
    spread = float(values.std(ddof=1)) if len(values) > 1 else 2.0
    width = NormalDist().inv_cdf((1 + LEVEL) / 2) * spread / math.sqrt(len(values))
    return Estimate(mean, (max(0.0, mean - width), min(2.0, mean + width)))


def _bins(confidence: Floats, right: Floats, bins: NDArray[np.int64], n_bins: int) -> list[Bin]:
    found = []
    for number in np.unique(bins):
        inside = bins == number
        n = int(inside.sum())
        accuracy = proportion(int(right[inside].sum()), n)
        bounds = float(number / n_bins), float((number + 1) / n_bins)
        found.append(Bin(*bounds, n, float(confidence[inside].mean()), accuracy))
    return found
