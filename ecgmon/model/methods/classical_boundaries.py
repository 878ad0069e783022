"""Detectors that draw a border around the windows learned from, or cut them off one by one.

Each takes features [n, d] (:mod:`~ecgmon.model.methods.classical_features`) and gives scores [n], higher is
odder; ``parameters`` counts what it has learned.
"""

from __future__ import annotations

import numpy as np
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM

from ecgmon.model.methods.base import Floats
from ecgmon.model.methods.classical_settings import (
    IsolationForestSettings,
    OneClassSvmSettings,
    SvddSettings,
)
from ecgmon.model.methods.svdd import Ball, linear, polynomial


class OneClassSvm:
    """One-class SVM; the score is the sum of kernels, negated."""

    def __init__(self, settings: OneClassSvmSettings, x: Floats, seed: int) -> None:  # noqa: ARG002 - no chance
        gamma = "scale" if settings.gamma is None else settings.gamma
        self._svm = OneClassSVM(nu=settings.nu, gamma=gamma).fit(x)
        self.parameters = self._svm.support_vectors_.size + len(self._svm.support_vectors_) + 1

    def score(self, x: Floats) -> Floats:
        return -np.asarray(self._svm.score_samples(x))


class Svdd:
    """Squared distance to the centre of the ball, less its squared radius, in units of the latter."""

    def __init__(self, settings: SvddSettings, x: Floats, seed: int) -> None:  # noqa: ARG002 - no chance
        gamma = 1 / (x.shape[1] * float(x.var()))
        kernel = linear(gamma) if settings.kernel == "linear" else polynomial(gamma, settings.degree)
        self._ball = Ball.fit(x, kernel, settings.nu)
        self.parameters = self._ball.support.size + len(self._ball.support) + 1

    def score(self, x: Floats) -> Floats:
        return self._ball.outside(x)


class Forest:
    """Isolation forest, 0..1."""

    def __init__(self, settings: IsolationForestSettings, x: Floats, seed: int) -> None:
        self._forest = IsolationForest(
            n_estimators=settings.trees, max_samples=min(settings.sample, len(x)), random_state=seed, n_jobs=1
        ).fit(x)
        self.parameters = sum(2 * tree.tree_.node_count for tree in self._forest.estimators_)

    def score(self, x: Floats) -> Floats:
        return -np.asarray(self._forest.score_samples(x))
