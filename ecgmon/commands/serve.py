"""``ecgmon serve``: watch streams and raise alerts, until told to stop."""

from __future__ import annotations

import argparse
import logging

from ecgmon.monitor.service import Service
from ecgmon.monitor.settings import load, warnings

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML, see configs/serve.yaml")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    if not args.debug:
        logging.getLogger().setLevel(settings.logging.level.upper())
    for warning in warnings(settings):
        log.warning("%s", warning)
    return Service(settings).run()
