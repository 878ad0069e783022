"""Authorities and certificates for the TLS tests, made by the ``openssl`` program."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Final

EXTENSIONS: Final = """\
[server]
subjectAltName = IP:127.0.0.1
[elsewhere]
subjectAltName = DNS:ward.example
[client]
extendedKeyUsage = clientAuth
"""

AUTHORITY: Final = """\
[ca]
default_ca = us
[us]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = any
[any]
commonName = supplied
"""
"""For ``openssl ca``, which alone can sign for a time that has passed."""


def make(folder: Path) -> Path:
    """``ca`` and ``stranger`` are authorities; all else is NAME.pem with NAME.key, signed by ``ca`` but for
    ``intruder``: ``server`` for 127.0.0.1, ``elsewhere`` for another host, ``expired``, ``client``."""
    folder.mkdir(exist_ok=True)
    (folder / "extensions").write_text(EXTENSIONS)
    for name in ("ca", "stranger"):
        _openssl(folder, *_request(name), "-x509", "-days", "2", "-out", f"{name}.pem")
    for name, section, authority in (
        ("server", "server", "ca"), ("elsewhere", "elsewhere", "ca"), ("client", "client", "ca"),
        ("intruder", "client", "stranger"),
    ):  # fmt: skip
        _openssl(folder, *_request(name), "-out", f"{name}.csr")
        _openssl(folder, "x509", "-req", "-days", "2", "-in", f"{name}.csr", "-out", f"{name}.pem",
                 "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial",
                 "-extfile", "extensions", "-extensions", section)  # fmt: skip
    _expired(folder)
    _openssl(folder, "ec", "-aes256", "-passout", "pass:x", "-in", "client.key", "-out", "locked.key")
    for file in folder.iterdir():
        file.chmod(0o644)  # the broker may run as another user
    return folder


def _request(name: str) -> tuple[str, ...]:
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    return ("req", *curve, "-subj", f"/CN={name}", "-keyout", f"{name}.key")


def _expired(folder: Path) -> None:
    (folder / "index").write_text("")
    (folder / "serial").write_text("1000\n")
    (folder / "authority").write_text(AUTHORITY)
    _openssl(folder, *_request("expired"), "-out", "expired.csr")
    _openssl(folder, "ca", "-batch", "-config", "authority", "-cert", "ca.pem", "-keyfile", "ca.key",
             "-startdate", "20200101000000Z", "-enddate", "20200201000000Z", "-extfile", "extensions",
             "-extensions", "server", "-in", "expired.csr", "-out", "expired.pem")  # fmt: skip


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
