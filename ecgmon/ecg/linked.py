"""How a compiled function takes others into itself: as text for the compiler, and not as machine code.

numba makes of every function a library that could be called from Python and from C, optimises it, and makes
machine code of it; a caller links the optimised text and optimises all of it once more, and so at each level
of calls. What only other compiled functions call needs none of that. Here a function is compiled once for its
compiled callers, as a *part*: unoptimised text without wrappers, linked into whoever calls it; and once more,
optimised with all its parts, only where Python calls it.

Measured with an empty ``NUMBA_CACHE_DIR`` by :func:`ecgmon.monitor.warm_up.warm_up`: two thirds of the time
to compile, and a fifth of the size on disk. The frontend takes 4 % less time, since the optimiser sees all at
once; parts that are optimised before they are linked gain nothing for it.
"""

from __future__ import annotations

from typing import Any

from numba.core.codegen import JITCodeLibrary as UntypedLibrary
from numba.core.compiler import Compiler as UntypedCompiler

_Library: Any = UntypedLibrary
_Compiler: Any = UntypedCompiler


class Part(_Compiler):  # type: ignore[misc]
    """For what compiled functions call."""

    def __init__(self, types: Any, target: Any, _: None, *rest: Any) -> None:
        super().__init__(types, target, _Text(target.codegen(), "part"), *rest)


class Whole(_Compiler):  # type: ignore[misc]
    """For what Python calls."""

    def compile_extra(self, function: Any) -> Any:
        """As numba's; its parts, which have no machine code of their own, find their constants here."""
        found = super().compile_extra(function)
        for constants in found._find_referenced_environments():  # noqa: SLF001 - as numba does when it reads
            found.library.codegen.set_env(constants.env_name, constants)  # a function from the cache
        return found


class _Text(_Library):  # type: ignore[misc]
    """A library that is linked and never run."""

    @property
    def codegen(self) -> _NoConstants:
        return _NoConstants(self._codegen)

    def get_pointer_to_function(self, name: str) -> int:  # noqa: ARG002 - numba's
        """None; it may be linked from now on."""
        self._ensure_finalized()
        return 0

    def _optimize_final_module(self) -> None:
        """The caller's turn."""

    def _finalize_final_module(self) -> None:
        self._finalize_dynamic_globals()
        self._verify_declare_only_symbols()
        self._finalized = True


class _NoConstants:
    """numba's code generator, for a library that has no place for its constants."""

    def __init__(self, codegen: Any) -> None:
        self._codegen = codegen

    def __getattr__(self, name: str) -> Any:
        return getattr(self._codegen, name)

    def set_env(self, name: str, constants: Any) -> None:
        """Each caller has a place, see :meth:`Whole.compile_extra`."""
