from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.svdd import Ball, Kernel, linear, polynomial, solve


def gap(gradient: Floats, a: Floats, most: float) -> float:
    """How far above the optimum ``a`` is at most: what moving all weight where it is cheapest would gain if
    the objective were linear; it is convex, and gives less (Frank and Wolfe 1956)."""
    cheapest, left = np.zeros(len(a)), 1.0
    for i in np.argsort(gradient):
        cheapest[i] = min(most, left)
        left -= cheapest[i]
    return float(gradient @ (a - cheapest))


def brute_force(gram: Floats, most: float) -> float:
    """The optimum of the dual, a' K a - a' diag(K), by a general solver."""
    n, own = len(gram), np.diag(gram)
    found = minimize(
        lambda a: a @ gram @ a - a @ own,
        np.full(n, 1 / n),
        jac=lambda a: 2 * gram @ a - own,
        bounds=[(0, most)] * n,
        constraints={"type": "eq", "fun": lambda a: a.sum() - 1, "jac": np.ones_like},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    assert found.status in {0, 8}, found.message  # 8: no step downwards is left within rounding errors
    return float(found.fun)


@given(
    n=st.integers(2, 24),
    d=st.integers(1, 4),
    nu=st.floats(0.02, 0.95),
    degree=st.integers(1, 3),
    tied=st.booleans(),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=60, deadline=None)
def test_optimum_is_the_one_of_a_general_solver(
    n: int, d: int, nu: float, degree: int, tied: bool, seed: int
) -> None:
    x = np.random.default_rng(seed).standard_normal((n, d))
    if tied:
        x = np.round(x)
    kernel: Kernel = linear() if degree == 1 else polynomial(0.5, degree)
    gram, most = kernel(x, x), max(1 / (nu * n), 1 / n)
    a, gradient = solve(x, kernel, np.diag(gram).copy(), most)
    np.testing.assert_allclose(a.sum(), 1, atol=1e-9)
    assert a.min() >= 0
    assert a.max() <= most
    np.testing.assert_allclose(gradient, 2 * gram @ a - np.diag(gram), atol=1e-8 * (1 + np.abs(gram).max()))
    own = float(a @ gram @ a - a @ np.diag(gram))
    spread = float(np.diag(gram).mean() - gram.mean())
    assert gap(gradient, a, most) <= 1.01e-4 * spread + 1e-9
    assert own == pytest.approx(brute_force(gram, most), abs=2e-4 * spread + 1e-9)


def test_smallest_ball_around_three_points_is_the_circle_through_them() -> None:
    corners = np.array([[0.0, 0.0], [2.0, 0.0], [1.0, np.sqrt(3)]])
    inside = np.array([[1.0, 0.5], [1.0, 1.0], [0.8, 0.4]])
    ball = Ball.fit(np.vstack([corners, inside]), linear(), nu=0.01)
    assert ball.radius == pytest.approx(4 / 3, rel=1e-3)
    np.testing.assert_allclose(ball.weights @ ball.support, [1, 1 / np.sqrt(3)], atol=1e-3)
    np.testing.assert_allclose(ball.outside(corners), 0, atol=2e-3)
    assert (ball.outside(inside) < 0).all()
    assert ball.outside(np.array([[1.0, 1 / np.sqrt(3)]]))[0] == pytest.approx(-1, abs=1e-3)


@pytest.mark.parametrize("nu", [0.05, 0.2, 0.5])
@pytest.mark.parametrize("degree", [1, 2])
def test_nu_is_the_share_left_outside(nu: float, degree: int) -> None:
    x = np.random.default_rng(0).standard_normal((400, 3))
    ball = Ball.fit(x, linear() if degree == 1 else polynomial(0.3, degree), nu)
    out = ball.outside(x)
    assert np.mean(out > 1e-3) <= nu + 1e-9
    assert np.mean(out > -1e-3) >= nu - 1e-9
    assert len(ball.support) >= nu * len(x)


def test_linear_ball_does_not_mind_where_the_points_lie() -> None:
    rng = np.random.default_rng(1)
    x, new = rng.standard_normal((100, 3)), rng.standard_normal((50, 3))
    turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
    shift = np.array([5.0, -3.0, 2.0])
    here = Ball.fit(x, linear(), 0.1).outside(new)
    there = Ball.fit(x @ turn + shift, linear(), 0.1).outside(new @ turn + shift)
    np.testing.assert_allclose(here, there, atol=5e-3)


def test_points_that_are_all_the_same_have_a_ball() -> None:
    ball = Ball.fit(np.ones((9, 2)), linear(), 0.1)
    assert np.isfinite(ball.outside(np.array([[1.0, 1.0], [2.0, 1.0]]))).all()
