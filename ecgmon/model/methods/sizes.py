"""Sizes of the compared networks: see :mod:`ecgmon.model.methods.networks`.

``rate`` is the learning rate of a network where none is named: of those tried, 0.003 and 0.01 and for some
others, the one with the lowest validation loss, or nearly so, on patients of DS1 that were held out. The MLP
does not settle at 0.01; between 0.002 and 0.005 its loss hardly differs.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta

from ecgmon.config import Settings
from ecgmon.ecg.types import WINDOW

Latent = Annotated[int, Meta(ge=1, le=256, description="numbers a window is squeezed into")]
Sizes = Annotated[
    tuple[Annotated[int, Meta(ge=1, le=4096)], ...],
    Meta(min_length=1, max_length=8, description="units of the layers between window and latent"),
]
Hidden = Annotated[int, Meta(ge=1, le=512, description="size of the LSTM's state")]
Layers = Annotated[int, Meta(ge=1, le=4, description="LSTMs on top of each other")]
Kernel = Annotated[int, Meta(ge=3, le=31, description="samples a filter spans; odd")]


class MlpNetwork(Settings, frozen=True, tag="mlp", tag_field="type"):
    """Dense layers 187-500-100-32 and back."""

    rate: ClassVar[float] = 0.003
    sizes: Sizes = (500, 100)
    latent: Latent = 32


class LstmNetwork(Settings, frozen=True, tag="lstm", tag_field="type"):
    """An LSTM reads the window, another one writes it from its end: see :class:`StateWriter`.

    The latent vector is what the first remembers, 2 * layers * hidden numbers.
    """

    rate: ClassVar[float] = 0.02
    hidden: Hidden = 20
    layers: Layers = 1
    patch: Annotated[int, Meta(ge=1, le=187, description="samples a step; 1, 11, 17 or 187")] = 11
    """1 is the papers', 187 steps in a row, and takes about twenty times as long as 11."""

    def __post_init__(self) -> None:
        if WINDOW % self.patch:
            raise ValueError(f"patch {self.patch} does not divide {WINDOW}")


class Conv1dNetwork(Settings, frozen=True, tag="conv1d", tag_field="type"):
    """Filters with pooling down to a single step, whose channels are the latent vector, and back.

    Fewer than five layers: the first filters and, behind them, one that spans what is left.
    """

    rate: ClassVar[float] = 0.02
    channels: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=512)], ...],
        Meta(min_length=2, max_length=5, description="features of each layer; the last ones are the latent"),
    ] = (2, 4, 8, 16, 32)


class ConvLstmNetwork(Settings, frozen=True, tag="conv-lstm", tag_field="type"):
    """Filters shorten the window eightfold, an LSTM reads what they found, another writes it again."""

    rate: ClassVar[float] = 0.01
    channels: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=512)], ...],
        Meta(min_length=1, max_length=5, description="features after each halving of the length"),
    ] = (8, 16, 16)
    kernel: Kernel = 7
    hidden: Hidden = 20
    layers: Layers = 1
    latent: Latent = 20

    def __post_init__(self) -> None:
        _check_odd(self.kernel)


class DeepNetwork(Settings, frozen=True, tag="deep", tag_field="type"):
    """Dense layers with batch normalisation down to 16 numbers and back."""

    rate: ClassVar[float] = 0.01
    sizes: Sizes = (128, 64, 32)
    latent: Latent = 16


class DeepConvNetwork(Settings, frozen=True, tag="deep-conv", tag_field="type"):
    """Strided filters with batch normalisation down to 16 numbers and back."""

    rate: ClassVar[float] = 0.01
    channels: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=512)], ...],
        Meta(min_length=1, max_length=6, description="features after each halving of the length"),
    ] = (16, 32, 32)
    kernel: Kernel = 7
    latent: Latent = 16

    def __post_init__(self) -> None:
        _check_odd(self.kernel)


NetworkSettings = MlpNetwork | LstmNetwork | Conv1dNetwork | ConvLstmNetwork | DeepNetwork | DeepConvNetwork


def _check_odd(kernel: int) -> None:
    if kernel % 2 == 0:
        raise ValueError(f"kernel {kernel} is even; an odd one keeps the window centred")
