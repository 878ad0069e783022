"""Settings of the classical detectors: what each is, whose it is, and its own numbers."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.model.methods.base import Reading

Count = Annotated[int, Meta(ge=1, le=10_000)]
Neighbours = Annotated[int, Meta(ge=1, le=1000, description="neighbours among the training windows")]
Share = Annotated[float, Meta(gt=0, lt=1)]


class GaussianSettings(Settings, frozen=True, tag="gaussian"):
    """Squared Mahalanobis distance: minus the log density of one Gaussian, up to scale and constant."""

    shrinkage: Annotated[float, Meta(ge=1e-9, le=1)] | None = None
    """Share of the covariance that gives way to equal variances; null chooses it by Ledoit and Wolf (2004).
    Never 0: directions that the training windows do not vary in would not count."""


class MixtureSettings(Settings, frozen=True, tag="gaussian-mixture"):
    """Minus the log density of a mixture of Gaussians, fitted by expectation maximisation."""

    mixtures: Count = 4
    covariance: Literal["full", "tied", "diag", "spherical"] = "full"
    ridge: Annotated[float, Meta(gt=0, description="added to each variance; samples have about 1")] = 0.1


class ParzenSettings(Settings, frozen=True, tag="parzen"):
    """Minus the log density of a Gaussian at each training window (Parzen 1962)."""

    bandwidth: Annotated[float, Meta(gt=0)] | None = None
    """Of training windows with variance 1; null chooses the one of the highest leave-one-out likelihood
    (Duin 1976) of at most 1000 training windows."""


class LofSettings(Settings, frozen=True, tag="lof"):
    """Local outlier factor (Breunig et al. 2000) against the training windows."""

    neighbours: Neighbours = 20


class KnnMaximumSettings(Settings, frozen=True, tag="knn-maximum"):
    """Distance to the farthest of the nearest neighbours (Ramaswamy et al. 2000)."""

    neighbours: Neighbours = 5


class KnnMeanSettings(Settings, frozen=True, tag="knn-mean"):
    """Mean distance to the nearest neighbours (Angiulli and Pizzuti 2002)."""

    neighbours: Neighbours = 5


class KnnCentreSettings(Settings, frozen=True, tag="knn-centre"):
    """Distance to the mean of the nearest neighbours (Tax and Duin 1998)."""

    neighbours: Neighbours = 5


class KmeansSettings(Settings, frozen=True, tag="kmeans"):
    """Distance to the nearest of the k-means centres."""

    clusters: Count = 16


class PcaSettings(Settings, frozen=True, tag="pca"):
    """Squared error of the window restored from its first principal components."""

    kept: Annotated[int, Meta(ge=1, le=186, description="principal components it is restored from")] = 16


class OneClassSvmSettings(Settings, frozen=True, tag="one-class-svm"):
    """One-class support vector machine (Schölkopf et al. 2001), Gaussian kernel. Also on the latent vectors
    of an autoencoder (:mod:`ecgmon.model.methods.latent`).

    Windows far from all training windows share the highest score: their kernel is 0.
    """

    nu: Share = 0.05
    """At most this share of training windows outside, at least this share support vectors."""
    gamma: Annotated[float, Meta(gt=0)] | None = None
    """Kernel exp(-gamma |x - y|^2); null is 1 / (features times their variance)."""


class SvddSettings(Settings, frozen=True, tag="svdd"):
    """Support vector data description (Tax and Duin 2004): the smallest soft ball around the windows.

    With a Gaussian kernel it is the one-class SVM, the same problem (there, section 2.5), so none is
    offered: the ball is in the features themselves (``linear``) or in the space of the polynomial kernel
    (1 + gamma x.y)^degree, gamma = 1 / (features times their variance).
    """

    nu: Share = 0.05
    """Share of training windows outside, about; the paper's C is 1 / (nu n)."""
    kernel: Literal["linear", "polynomial"] = "polynomial"
    degree: Annotated[int, Meta(ge=2, le=5)] = 2


class IsolationForestSettings(Settings, frozen=True, tag="isolation-forest"):
    """Isolation forest (Liu et al. 2008). Also on the latent vectors of an autoencoder."""

    trees: Count = 200
    sample: Annotated[int, Meta(ge=2, le=10_000, description="windows a tree, at most")] = 256


Detector = (
    GaussianSettings
    | MixtureSettings
    | ParzenSettings
    | LofSettings
    | KnnMaximumSettings
    | KnnMeanSettings
    | KnnCentreSettings
    | KmeansSettings
    | PcaSettings
    | OneClassSvmSettings
    | SvddSettings
    | IsolationForestSettings
)


class ClassicalSettings(Settings, frozen=True, tag="classical"):
    """A detector on the window or on its principal components."""

    detector: Detector
    scaling: Literal["overall", "sample"] = "sample"
    """What comes before everything: the mean window is subtracted, then each sample is divided by its own
    standard deviation, at least a tenth of the overall one (``sample``), or all by the overall one
    (``overall``), which keeps distances in proportion."""
    components: Annotated[int, Meta(ge=1, le=187)] | None = None
    """The detector sees so many principal components; null: the 187 samples."""
    whiten: bool = False
    """Each principal component is divided by its own standard deviation."""
    max_train: Annotated[int, Meta(ge=2, le=100_000)] = 5000
    """Training windows of the detectors that keep them (Parzen, local outlier factor, neighbours, SVM, SVDD)
    at most, drawn by seed; the others learn from all."""
    readings: dict[str, Reading] = msgspec.field(default_factory=lambda: {"score": Reading()})

    def __post_init__(self) -> None:
        if self.whiten and self.components is None:
            raise ValueError("whiten is of principal components; say how many: components")
        for name, reading in self.readings.items():
            if reading.score != Reading().score:
                raise ValueError(
                    f"reading '{name}': score '{reading.score}' is of autoencoders; a classical detector has "
                    "a score of its own"
                )
