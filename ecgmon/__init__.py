"""Watches live ECG streams and raises an alert when a heart does not beat as it should."""

from importlib.metadata import version

__version__ = version("ecgmon")
