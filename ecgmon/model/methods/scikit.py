"""How scikit-learn is used: it comes by the extra ``compare``, on one thread, and what it warns of is logged.

Modules that import it are imported only where a method that needs it is fitted or asked.
"""

from __future__ import annotations

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ecgmon.errors import DependencyError

log = logging.getLogger(__name__)


def need_scikit_learn() -> None:
    """Raise :class:`DependencyError` where it is not installed."""
    if importlib.util.find_spec("sklearn") is None:
        raise DependencyError(
            "this detector needs scikit-learn, which is not here: pip install 'ecgmon[compare]'"
        )


@contextmanager
def scikit_learn() -> Iterator[None]:
    """Numerical libraries on one thread, and warnings (fewer distinct points than clusters, not converged) as
    log lines. Of torch's threads see :func:`ecgmon.model.reproducible.one_thread`."""
    from threadpoolctl import threadpool_limits  # noqa: PLC0415 - comes with scikit-learn, an extra

    with warnings.catch_warnings(record=True) as caught, threadpool_limits(limits=1):
        warnings.simplefilter("always", UserWarning)
        yield
    for warning in caught:
        log.warning("%s", " ".join(str(warning.message).split()))
