from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from ecgmon.errors import BundleError, EcgmonError
from ecgmon.model import tensorfile
from ecgmon.model.tensorfile import Tensors, pack, unpack

TENSORS: Tensors = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b.c": np.array([1, 2], np.int64),
    "empty": np.empty((0, 3), np.float64),
}
TEXT = '{"some": "JSON", "with \\"quotes\\"": 1, "umlaut": "ä"}'


def test_text_and_tensors_come_back() -> None:
    data, digest = pack(TEXT, TENSORS)
    text, tensors, again = unpack(data, "x")
    assert (text, again) == (TEXT, digest)
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        np.testing.assert_array_equal(tensors[name], tensor)


def test_bytes_do_not_depend_on_the_order_of_tensors() -> None:
    assert pack(TEXT, TENSORS) == pack(TEXT, dict(reversed(TENSORS.items())))


def test_every_flipped_byte_is_noticed() -> None:
    data, _ = pack(TEXT, TENSORS)
    for place in range(len(data)):
        for flip in (0x01, 0x20, 0xFF):
            broken = bytearray(data)
            broken[place] ^= flip
            with pytest.raises(BundleError):
                unpack(bytes(broken), "x")


@pytest.mark.parametrize("cut", [0, 1, 7, 8, 50, 200, -1])
def test_truncated_files_are_refused(cut: int) -> None:
    data, _ = pack(TEXT, TENSORS)
    with pytest.raises(BundleError):
        unpack(data[:cut], "x")


def test_appended_bytes_are_refused() -> None:
    data, _ = pack(TEXT, TENSORS)
    with pytest.raises(BundleError, match="damaged"):
        unpack(data + b"\0", "x")


@pytest.mark.parametrize(
    "data",
    [b"", b"not a model", (2**62).to_bytes(8, "little") + b"{}", (2).to_bytes(8, "little") + b"{}"],
    ids=["empty", "text", "boundless header", "another safetensors file"],
)
def test_other_files_are_refused_by_name(data: bytes) -> None:
    with pytest.raises(BundleError, match=r"^model.bin: not a file that ecgmon wrote"):
        unpack(data, "model.bin")


def test_header_beyond_its_bound_is_not_written() -> None:
    with pytest.raises(BundleError, match="header is too large"):
        pack("x" * tensorfile.MAX_HEADER_BYTES, TENSORS)


def test_file_beyond_its_bound_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "model"
    path.write_bytes(b"x" * 100)
    monkeypatch.setattr(tensorfile, "MAX_FILE_BYTES", 99)
    with pytest.raises(BundleError, match="larger than 99 bytes"):
        tensorfile.read(path)


def test_a_failed_write_keeps_the_old_file_and_leaves_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    tensorfile.write(path, b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(EcgmonError, match="cannot be written \\(No space left on device\\)"):
        tensorfile.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path):
        with pytest.raises(BundleError, match="no regular file"):
            tensorfile.read(path)
