"""One safetensors file with one JSON text and a hash that covers every byte of it.

safetensors holds arrays and text, nothing that could run. Its own checks notice a damaged header but not a
changed number, so the file carries a SHA-256 over all of its bytes, taken with the 64 digits of the hash
itself written as zeros. Any flipped byte is noticed, whether it lies in a tensor, the header or the padding.

Damage is what the hash detects. It is no signature: whoever can write the file can also write the hash.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
from pathlib import Path

import msgspec
import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from ecgmon.errors import BundleError, EcgmonError

Tensors = dict[str, NDArray[np.generic]]

KEY = "ecgmon"
MAX_HEADER_BYTES = 1_000_000
MAX_FILE_BYTES = 512_000_000

_DIGITS = 64
_ZEROS = b"0" * _DIGITS
_MARK = b'"' + KEY.encode() + b'":"sha256:'


def pack(text: str, tensors: Tensors) -> tuple[bytes, str]:
    """The file's bytes and its hash. The same text and tensors always give the same bytes."""
    # One metadata key only: safetensors writes several in an order that differs from run to run.
    arrays = {name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}
    blank = safetensors.numpy.save(arrays, {KEY: f"sha256:{_ZEROS.decode()} {text}"})
    digest = hashlib.sha256(blank).hexdigest()
    at = _hash_position(blank)
    if at is None:
        raise BundleError("the model file's header is too large to be read again")
    return blank[:at] + digest.encode() + blank[at + _DIGITS :], digest


def unpack(data: bytes, where: str) -> tuple[str, Tensors, str]:
    """Text, tensors and hash of a file that :func:`pack` made; ``where`` names it in errors.

    Raises :class:`BundleError` when it is something else, or when any byte differs from what was written.
    """
    at = _hash_position(data)
    if at is None:
        raise BundleError(f"{where}: not a file that ecgmon wrote; name a bundle made by `ecgmon train`")
    digest = data[at : at + _DIGITS]
    blank = data[:at] + _ZEROS + data[at + _DIGITS :]
    if hashlib.sha256(blank).hexdigest().encode() != digest:
        raise BundleError(f"{where}: damaged or altered (its hash does not match); copy or train it again")
    try:
        header = msgspec.json.decode(data[8 : 8 + _header_length(data)], type=_Header)
        tensors = safetensors.numpy.load(data)
    except (msgspec.MsgspecError, safetensors.SafetensorError, ValueError, KeyError) as error:
        raise BundleError(f"{where}: cannot be read as safetensors ({error})") from None
    return header.metadata.ecgmon[len("sha256:") + _DIGITS + 1 :], tensors, digest.decode()


def read(path: Path) -> bytes:
    """A whole file, refused before reading when it is larger than any bundle."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # opening a named pipe would wait for a writer
            raise BundleError(f"{path}: no regular file; name a bundle or 'default'")
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                raise BundleError(f"{path}: larger than {MAX_FILE_BYTES} bytes, which is no model of ecgmon")
            return file.read(MAX_FILE_BYTES)
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); name a bundle or 'default'") from None


def write(path: Path, data: bytes) -> None:
    """Write beside the target, then rename: a reader, or a crash, never meets half a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(temporary).unlink()
            raise
    except OSError as error:
        raise EcgmonError(f"{path}: cannot be written ({error.strerror})") from None


class _HeaderMetadata(msgspec.Struct):
    ecgmon: str


class _Header(msgspec.Struct):
    metadata: _HeaderMetadata = msgspec.field(name="__metadata__")


def _header_length(data: bytes) -> int:
    return int.from_bytes(data[:8], "little")


def _hash_position(data: bytes) -> int | None:
    """Where the digits of the hash begin; None when this is no file of ours."""
    length = _header_length(data)
    if len(data) < 8 or length > min(MAX_HEADER_BYTES, len(data) - 8):
        return None
    at = data.find(_MARK, 8, 8 + length)
    if at < 0 or at + len(_MARK) + _DIGITS > 8 + length:
        return None
    return at + len(_MARK)
