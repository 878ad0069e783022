"""AAMI classes of beats, from the annotation codes of the MIT-BIH databases.

Source: ANSI/AAMI EC57, as used by de Chazal et al. (2004). Codes that are not beats (rhythm changes, noise
marks, flutter waves) have no class.
"""

from __future__ import annotations

from typing import Final, Literal

AamiClass = Literal["N", "S", "V", "F", "Q"]

ANOMALOUS: Final[tuple[AamiClass, ...]] = ("S", "V", "F", "Q")

CLASSES: Final[tuple[AamiClass, ...]] = ("N", *ANOMALOUS)
"""All, normal first; their places are the labels 0 to 4 of the public files of windows."""

CLASS_OF: Final[dict[str, AamiClass]] = {
    "N": "N", "L": "N", "R": "N", "e": "N", "j": "N",
    "S": "S", "A": "S", "a": "S", "J": "S",
    "V": "V", "E": "V",
    "F": "F",
    "/": "Q", "f": "Q", "Q": "Q",
}  # fmt: skip
"""Annotation symbol to AAMI class."""

DS1: Final = (
    "101", "106", "108", "109", "112", "114", "115", "116", "118", "119", "122",
    "124", "201", "203", "205", "207", "208", "209", "215", "220", "223", "230",
)  # fmt: skip
"""Training records of MIT-BIH (de Chazal et al. 2004); paced patients are in neither half."""

DS2: Final = (
    "100", "103", "105", "111", "113", "117", "121", "123", "200", "202", "210",
    "212", "213", "214", "219", "221", "222", "228", "231", "232", "233", "234",
)  # fmt: skip
"""Test records of MIT-BIH: nothing may be chosen on them."""

SAME_PATIENT: Final = {"202": "201"}
"""Records of MIT-BIH from one heart: 202 was taken from the same analog tape as 201, says its header. DS1 and
DS2 part the two, and so have a patient in common."""
