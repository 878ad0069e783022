"""``ecgmon serve``: watch streams and raise alerts, until told to stop."""

from __future__ import annotations

import argparse
import logging
from functools import partial

from ecgmon.monitor.exposure import warnings
from ecgmon.monitor.logs import configure
from ecgmon.monitor.service import Service
from ecgmon.monitor.settings import load

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", required=True, metavar="FILE", help="YAML, see configs/serve.yaml")


def run(args: argparse.Namespace) -> int:
    settings = load(args.config)
    set_logging = partial(configure, debug=args.debug)
    set_logging(settings.logging)
    for warning in warnings(settings):
        log.warning("%s", warning)
    return Service(settings, config=args.config, set_logging=set_logging).run()
