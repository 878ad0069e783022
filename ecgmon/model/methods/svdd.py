"""Support vector data description: the smallest ball around points in a kernel's space, some left outside.

Tax and Duin, Support vector data description, Machine Learning 54 (2004). In the dual, weights a [n] minimise

    a' K a - a' diag(K),    sum a = 1,    0 <= a <= C = 1 / (nu n)

and the centre is the weighted mean of the points. Solved by sequential minimal optimisation: the pair of
weights chosen by second order (Fan, Chen and Lin 2005), moved until none violates the optimum by more than
the tolerance. Only the rows of K that a pair needs are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ecgmon.errors import EcgmonError
from ecgmon.model.methods.base import Floats

Kernel = Callable[[Floats, Floats], Floats]
"""[n, d], [m, d] to [n, m]."""

TOLERANCE = 1e-4
"""Of the mean squared distance of the points to their mean in the kernel's space."""
MOST_STEPS = 200
"""Times the number of points."""


def linear(gamma: float = 1.0) -> Kernel:
    """gamma x.y"""
    return lambda x, y: gamma * (x @ y.T)


def polynomial(gamma: float, degree: int) -> Kernel:
    """(1 + gamma x.y)^degree"""
    return lambda x, y: (1 + gamma * (x @ y.T)) ** degree


@dataclass(frozen=True, slots=True, eq=False)
class Ball:
    """A ball in the kernel's space.

    support   [s, d] points whose weight is not 0
    weights   [s] their weights, sum 1
    length    squared length of the centre
    radius    squared radius, > 0
    """

    kernel: Kernel
    support: Floats
    weights: Floats
    length: float
    radius: float

    @classmethod
    def fit(cls, x: Floats, kernel: Kernel, nu: float) -> Ball:
        """The smallest ball around x [n, d], at most ``nu`` n of them outside.

        Raises :class:`EcgmonError` where the weights do not settle.
        """
        own = np.array([float(kernel(row, row)[0, 0]) for row in x[:, np.newaxis, :]])
        a, gradient = solve(x, kernel, own, 1 / (nu * len(x)))
        length = float(a @ (gradient + own)) / 2  # gradient = 2 K a - own
        distances = length - gradient  # squared, to the centre
        free = (a > 0) & (a < (1 - 1e-9) / (nu * len(x)))
        kept = a > 0
        # Without a point on the border, anything from the farthest inside to the nearest outside will do.
        radius = float(distances[free].mean() if free.any() else distances[kept].min())
        return cls(kernel, x[kept], a[kept], length, max(radius, np.finfo(np.float64).tiny))

    def outside(self, x: Floats) -> Floats:
        """[n] squared distance to the centre less the squared radius, in units of the latter: -1 is the
        centre, 0 the border."""
        own = np.array([float(self.kernel(row, row)[0, 0]) for row in x[:, np.newaxis, :]])
        distances = own - 2 * self.kernel(x, self.support) @ self.weights + self.length
        scores: Floats = distances / self.radius - 1
        return scores


def solve(
    x: Floats, kernel: Kernel, own: Floats, most: float, tolerance: float = TOLERANCE
) -> tuple[Floats, Floats]:
    """Weights a [n] and the gradient 2 K a - diag(K) at them; ``own`` is diag(K), ``most`` is C >= 1 / n."""
    n = len(x)
    rows: dict[int, Floats] = {}

    def row(i: int) -> Floats:
        if i not in rows:
            rows[i] = kernel(x[i : i + 1], x)[0]
        return rows[i]

    a = np.zeros(n)
    full = min(int(1 / most), n)
    a[:full] = most
    if full < n:
        a[full] = 1 - full * most
    gradient = 2 * _product(x, kernel, a) - own
    mean = np.full(n, 1 / n)
    spread = float(mean @ own) - float(mean @ _product(x, kernel, mean))
    for _ in range(MOST_STEPS * n):
        up, down = a < most, a > 0
        i = int(np.argmin(np.where(up, gradient, np.inf)))
        above = np.where(down, gradient, -np.inf) - gradient[i]
        if above.max() <= tolerance * spread:
            return a, gradient
        curve = np.maximum(own + own[i] - 2 * row(i), 1e-12 * max(spread, 1e-300))
        j = int(np.argmax(np.where(above > 0, above**2 / curve, -np.inf)))
        step = min(above[j] / (2 * curve[j]), most - a[i], a[j])
        a[i] = most if step == most - a[i] else a[i] + step
        a[j] = 0.0 if step == a[j] else a[j] - step
        gradient += 2 * step * (row(i) - row(j))
    raise EcgmonError(
        f"svdd: {n} points have not settled in {MOST_STEPS * n} steps; use fewer, or another nu"
    )


def _product(x: Floats, kernel: Kernel, a: Floats) -> Floats:
    """K a, from the rows of K that a has weight on, 256 at a time."""
    kept = np.flatnonzero(a)
    total = np.zeros(len(x))
    for start in range(0, len(kept), 256):
        part = kept[start : start + 256]
        total += a[part] @ kernel(x[part], x)
    return total
