"""Which device computes."""

from __future__ import annotations

import os
from typing import Literal

import torch

from ecgmon.errors import UsageError

Device = Literal["auto", "cpu", "cuda"]


def pick(device: Device) -> torch.device:
    """The device asked for, ``auto`` being CUDA when there is one; :class:`UsageError` when there is none."""
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise UsageError("device 'cuda' was asked for and torch finds none; use 'auto' or 'cpu'")
    if device == "cpu" or not available:
        return torch.device("cpu")
    # cuBLAS gives the same result each time only with a workspace of its own; read when CUDA starts.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    return torch.device("cuda")
