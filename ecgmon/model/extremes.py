"""From scores of normal beats to the probability of a score at least as high, far into the tail.

Below the tail the probability is counted: the weighted conformal p-value (Vovk, Gammerman and Shafer 2005;
for anomaly detection Laxhammar and Falkman 2011; weights as in Tibshirani et al. 2019). Counting cannot go
below one in the number of beats, and a monitor that may raise one false alert in ten hours asks for much
rarer things than that. So beyond a high quantile a generalised Pareto distribution continues the curve
(Pickands 1975), fitted by weighted maximum likelihood. Its shape is kept at or above 0: a tail with an end
would call a score just past the highest normal one impossible, which no finite calibration can know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

MAX_KNOTS = 4096
MIN_EXCEEDANCES = 20
P_FLOOR = 1e-12
"""Smallest p-value given out: what a tail fitted to thousands of beats says beyond that is no evidence."""


@dataclass(frozen=True, slots=True)
class Tail:
    """Generalised Pareto: P(S >= start + y) = share * (1 + shape * y / scale) ** (-1 / shape)."""

    start: float
    share: float
    shape: float
    """>= 0; 0 is the exponential."""
    scale: float
    """> 0, in units of the score."""

    def survival(self, scores: FloatArray) -> FloatArray:
        """P(S >= score) for scores [n] at or beyond ``start``."""
        y = (scores - self.start) / self.scale
        with np.errstate(over="ignore"):
            log_p = -y if self.shape < 1e-9 else -np.log1p(self.shape * y) / self.shape
        p: FloatArray = self.share * np.exp(log_p)
        return p


@dataclass(frozen=True, slots=True, eq=False)
class Survival:
    """P(a normal beat scores at least s), never increasing in s.

    knots       [m] ascending scores
    steps       [m + 1]; steps[i] holds for knots[i - 1] < s <= knots[i], steps[m] beyond the last knot
    tail        continues from ``tail.start`` on; None counts to the end
    """

    knots: FloatArray
    steps: FloatArray
    tail: Tail | None

    def p_value(self, scores: ArrayLike) -> FloatArray:
        """[n] probabilities in (0, 1] for ``scores`` [n]; NaN stays NaN: no score, no verdict."""
        s = np.asarray(scores, dtype=np.float64)
        p = self.steps[np.searchsorted(self.knots, s, side="left")]
        if self.tail is not None:
            beyond = s > self.tail.start
            p[beyond] = self.tail.survival(s[beyond])
        p = np.maximum(p, P_FLOOR)
        p[np.isnan(s)] = np.nan
        return p

    def tensors(self) -> dict[str, NDArray[Any]]:
        """As arrays for the bundle."""
        t = self.tail
        tail = [] if t is None else [t.start, t.share, t.shape, t.scale]
        return {"knots": self.knots, "steps": self.steps, "tail": np.array(tail, np.float64)}

    @classmethod
    def from_tensors(cls, arrays: Mapping[str, NDArray[Any]]) -> Survival:
        """From what :meth:`tensors` gave. Raises :class:`ValueError` where that is not what it is."""
        try:
            knots, steps, tail = (arrays[k].astype(np.float64) for k in ("knots", "steps", "tail"))
        except KeyError as missing:
            raise ValueError(f"calibration array {missing} is missing") from None
        if knots.ndim != 1 or steps.shape != (knots.size + 1,) or tail.shape not in ((0,), (4,)):
            raise ValueError("calibration arrays of shapes that do not belong together")
        if np.any(np.diff(knots) <= 0) or np.any(np.diff(steps) > 0):
            raise ValueError("calibration curve is not monotone")
        if not (steps.min() > 0 and steps.max() <= 1):
            raise ValueError("calibration curve leaves the probabilities, above 0 and at most 1")
        known = Tail(*tail.tolist()) if tail.size else None
        if known is not None and not (0 < known.share <= 1 and known.shape >= 0 and known.scale > 0):
            raise ValueError("calibration tail is no Pareto distribution")
        return cls(knots, steps, known)


def fit_survival(scores: ArrayLike, weights: ArrayLike, tail_share: float | None) -> Survival:
    """The curve from scores [n] of normal beats, finite, with positive ``weights`` [n].

    The beat that will be judged joins with the mean weight, which makes the p-value of exchangeable data
    valid: with equal weights it is (1 + #{S_i >= s}) / (n + 1). ``tail_share`` is the share of probability
    that the tail takes over (None: no tail); with fewer than 20 scores in it, it grows until it holds 20, and
    a sample smaller than 40 gets none.

    More than 4096 different scores are thinned below the tail; thinning rounds p-values up, never down.
    """
    s = np.asarray(scores, dtype=np.float64)
    w = np.asarray(weights, dtype=np.float64)
    if s.ndim != 1 or s.shape != w.shape or s.size == 0:
        raise ValueError("scores and weights must have the same shape [n], n > 0")
    if not (np.isfinite(s).all() and np.isfinite(w).all() and (w > 0).all()):
        raise ValueError("scores must be finite, weights finite and positive")
    order = np.argsort(s, kind="stable")
    s, w = s[order], w[order]
    own = float(w.mean())
    total = float(w.sum()) + own
    knots, first = np.unique(s, return_index=True)
    above = np.cumsum(w[::-1])[::-1]  # weight of scores[i:] for each i
    steps = np.append((above[first] + own) / total, own / total)
    steps = np.minimum.accumulate(np.minimum(steps, 1.0))
    tail = None if tail_share is None else _fit_tail(s, w, knots, steps, tail_share)
    return Survival(*_thin(knots, steps), tail)


def _fit_tail(
    s: FloatArray, w: FloatArray, knots: FloatArray, steps: FloatArray, share: float
) -> Tail | None:
    if s.size < 2 * MIN_EXCEEDANCES:
        return None
    start = float(knots[min(int(np.searchsorted(-steps[:-1], -share)), knots.size - 1)])
    start = min(start, float(s[-MIN_EXCEEDANCES - 1]))
    over = s > start
    if not over.any():
        return None  # the highest scores are one tie: there is no tail to follow
    shape, scale = fit_pareto(s[over] - start, w[over])
    # The tail begins at the counted probability just beyond ``start``, so that the curve has no step upwards.
    return Tail(start, float(steps[np.searchsorted(knots, start, side="right")]), shape, scale)


def fit_pareto(excesses: ArrayLike, weights: ArrayLike) -> tuple[float, float]:
    """Shape (0..1) and scale of a generalised Pareto distribution for positive ``excesses`` [n].

    Weighted maximum likelihood over theta = shape / scale, for which the best shape is the mean of
    log(1 + theta y) (Grimshaw 1993): one bounded search in one dimension, the same result every time. A shape
    above 1, a tail without a mean, is cut to 1.
    """
    from scipy.optimize import minimize_scalar  # noqa: PLC0415 - a quarter of a second, for fits alone

    y = np.asarray(excesses, dtype=np.float64)
    w = np.asarray(weights, dtype=np.float64)
    w = w / w.sum()
    mean = float(w @ y)

    def shape_for(theta: float) -> float:
        return float(w @ np.log1p(theta * y))

    def cost(log_theta: float) -> float:
        theta = float(np.exp(log_theta))
        shape = shape_for(theta)
        return float(np.log(shape / theta)) + shape

    found = minimize_scalar(cost, bounds=(np.log(1e-6 / mean), np.log(1e3 / mean)), method="bounded")
    if found.fun >= np.log(mean) + 1.0:  # the exponential, shape 0, is at least as likely
        return 0.0, mean
    theta = float(np.exp(found.x))
    shape = shape_for(theta)
    return min(shape, 1.0), shape / theta


def _thin(knots: FloatArray, steps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Keep the highest 1024 knots and an even choice of the others.

    A score between two kept knots gets the probability that held just beyond the lower one, the highest of
    its interval.
    """
    if knots.size <= MAX_KNOTS:
        return knots, steps
    high = MAX_KNOTS // 4
    low = np.unique(np.linspace(0, knots.size - high - 1, MAX_KNOTS - high).astype(np.int64))
    kept = np.concatenate([low, np.arange(knots.size - high, knots.size)])
    return knots[kept], np.concatenate([steps[:1], steps[kept + 1]])
