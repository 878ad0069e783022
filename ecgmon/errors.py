"""Every error that ecgmon raises on purpose.

    EcgmonError                 exit 1: it ran, and failed
    ├── UsageError              exit 2: the command line or a file named on it is wrong before any work
    │   └── ConfigError         a configuration file: unknown key, wrong type, value out of range
    ├── DataError               a recording, annotation file or CSV that is not what it claims to be
    ├── PayloadError            a message that is not a valid chunk; carries a counted reason
    ├── BundleError             a model bundle that is damaged, altered or does not fit this program
    ├── TransportError          a broker that cannot be reached or refuses us
    └── DependencyError         an optional package that the command needs is not installed

A message is one line and says what happened, where, and what to do. The command line prints it and exits;
a traceback appears with ``--debug`` only.
"""

from __future__ import annotations


class EcgmonError(Exception):
    """Base of all errors raised on purpose; its text is fit to be shown to a person."""

    exit_code = 1


class UsageError(EcgmonError):
    """The command line, or a file it names, is wrong before any work has begun."""

    exit_code = 2


class ConfigError(UsageError):
    """A configuration file holds an unknown key, a wrong type or a value out of range."""


class DataError(EcgmonError):
    """A recording, an annotation file or a CSV cannot be read as what it claims to be."""


class PayloadError(EcgmonError):
    """One message is not a valid chunk. ``reason`` is a short word fit for a metric label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class BundleError(EcgmonError):
    """A model bundle is damaged, was altered, or does not fit this program's frontend."""


class TransportError(EcgmonError):
    """A broker cannot be reached, or refuses the connection."""


class DependencyError(EcgmonError):
    """An optional package that the command needs is not installed."""


class DiskError(EcgmonError):
    """A disk that is full, read-only or failing: what should lie on it is kept in memory meanwhile."""
