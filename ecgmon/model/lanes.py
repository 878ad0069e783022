"""Matrix products, GELU and LSTM cells over vector registers: the little that numba cannot say for itself.

numba turns loops over arrays into loops over memory: every partial sum is written and read again, and a
division stands in the way of vectors. These functions are put together from vector instructions instead, so
that the sums of a *tile*, some rows by one or two vectors of columns, stay in registers: six times the speed
for a product, ten for GELU. They are called from compiled functions like any other and check no bounds.

A sum is taken in the order of its terms, whatever the tile: a row's result does not depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba.core import cgutils as untyped_cgutils
from numba.core import types
from numba.core.registry import cpu_target as untyped_cpu_target
from numba.extending import intrinsic as untyped_intrinsic

cgutils: Any = untyped_cgutils
cpu_target: Any = untyped_cpu_target
intrinsic: Any = untyped_intrinsic

WIDE: Final = "+avx512f" in cpu_target.target_context.codegen().magic_tuple()[2]
"""The processor that numba compiles for, by which it tells cached code apart, has 32 registers of 16 numbers;
otherwise it is taken to have 16 of 8."""
LANES: Final = 16 if WIDE else 8
"""Numbers in a vector."""
PANEL: Final = 2 * LANES
"""Columns of a tile; matrices are packed in panels of so many."""
ROWS: Final = 12 if WIDE else 6
"""Rows of a tile. With two vectors of columns its sums take 24 of 32 registers, or 12 of 16."""
FEW: Final = 4
"""Rows of a smaller tile for what is left; then one by one."""

ERF_ENDS: Final = 4.0
ERF_ODD: Final = (
    -1.60960333262415e-02, -2.95459980854025e-03, -7.34990630326855e-04, -5.69250639462346e-05,
    -2.10102402082508e-06, 2.77068142495902e-08, -2.72614225801306e-10,
)  # fmt: skip
ERF_EVEN: Final = (
    -1.42647390514189e-02, -7.37332916720468e-03, -1.68282697438203e-03, -2.13374055278905e-04,
    -1.45660718464996e-05,
)  # fmt: skip
"""erf(x) = x odd(x²) / even(x²) within 4e-7 (the minimax approximation of Eigen and XLA)."""

TANH_ENDS: Final = 7.90531110763549805
TANH_ODD: Final = (
    4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
    -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16,
)  # fmt: skip
TANH_EVEN: Final = (
    4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06,
)  # fmt: skip
"""The same for tanh."""

_FLOAT: Final = ir.FloatType()
_VECTOR: Final = ir.VectorType(_FLOAT, LANES)
_INDEX: Final = ir.IntType(32)


class Lanes:
    """Writes instructions; values are vectors of :data:`LANES` float32."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self._fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(_VECTOR, [_VECTOR] * 3), f"llvm.fmuladd.v{LANES}f32"
        )

    def constant(self, value: float) -> Any:
        return ir.Constant(_VECTOR, [value] * LANES)

    def load(self, data: Any, at: Any) -> Any:
        value = self.builder.load(self._place(data, at))
        value.align = 4
        return value

    def store(self, value: Any, data: Any, at: Any) -> None:
        self.builder.store(value, self._place(data, at)).align = 4

    def spread(self, data: Any, at: Any) -> Any:
        """One number in all lanes."""
        nothing = ir.Constant(_VECTOR, ir.Undefined)
        number = self.builder.load(self.builder.gep(data, [at]))
        first = self.builder.insert_element(nothing, number, ir.Constant(_INDEX, 0))
        zeros = ir.Constant(ir.VectorType(_INDEX, LANES), None)
        return self.builder.shuffle_vector(first, nothing, zeros)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a b + c, rounded once where the processor can."""
        return self.builder.call(self._fma, [a, b, c])

    def times(self, a: Any, b: Any) -> Any:
        return self.builder.fmul(a, b)

    def rational(self, x: Any, ends: float, odd: Sequence[float], even: Sequence[float]) -> Any:
        """x odd(x²) / even(x²), ``x`` cut to ±``ends``; NaN stays NaN."""
        for sign, end in ((">", self.constant(ends)), ("<", self.constant(-ends))):
            x = self.builder.select(self.builder.fcmp_ordered(sign, x, end), end, x)
        square = self.times(x, x)
        above, below = (self._polynomial(square, coefficients) for coefficients in (odd, even))
        return self.builder.fdiv(self.times(x, above), below)

    def gelu(self, x: Any) -> Any:
        """x / 2 (1 + erf(x / √2))"""
        erf = self.rational(self.times(x, self.constant(0.5**0.5)), ERF_ENDS, ERF_ODD, ERF_EVEN)
        half = self.times(x, self.constant(0.5))
        return self.fma(half, erf, half)

    def tanh(self, x: Any) -> Any:
        return self.rational(x, TANH_ENDS, TANH_ODD, TANH_EVEN)

    def sigmoid(self, x: Any) -> Any:
        half = self.constant(0.5)
        return self.fma(self.tanh(self.times(x, half)), half, half)

    def _polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        value = self.constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = self.fma(x, value, self.constant(coefficient))
        return value

    def _place(self, data: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [at]), _VECTOR.as_pointer())


def tile(rows: int, vectors: int) -> Callable[..., None]:
    """A function for compiled code: ``rows`` by ``vectors`` * :data:`LANES` of start + x @ w, with GELU if
    wanted.

    ``multiply(x, at, step, k, w, w_at, start, start_at, start_step, gelu, y, y_at, y_step)``: arrays are flat
    float32 [...]; row r of x are the ``k`` numbers from ``at + r * step`` on, of w those from
    ``w_at + r * vectors * LANES`` on; ``start`` and ``y`` are strided by row likewise.
    """

    @intrinsic
    def multiply(_, x, at, step, k, w, w_at, start, start_at, start_step, gelu, y, y_at, y_step):  # type: ignore[no-untyped-def] # numba looks at the names
        signature = types.void(x, at, step, k, w, w_at, start, start_at, start_step, gelu, y, y_at, y_step)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            lanes = Lanes(builder)
            data = _data(context, builder, signature, args)
            xs, ws, starts, ys = data(0), data(4), data(6), data(10)
            _, at, step, k, _, w_at, _, start_at, start_step, gelu, _, y_at, y_step = args
            cells = [(r, v) for r in range(rows) for v in range(vectors)]
            sums = {cell: cgutils.alloca_once(builder, _VECTOR) for cell in cells}
            x_rows, start_rows, y_rows = (
                _strided(builder, *pair, rows)
                for pair in ((at, step), (start_at, start_step), (y_at, y_step))
            )
            for r, v in cells:
                builder.store(lanes.load(starts, _plus(builder, start_rows[r], v * LANES)), sums[r, v])
            with cgutils.for_range(builder, k) as loop:
                here = builder.add(w_at, builder.mul(loop.index, ir.Constant(k.type, vectors * LANES)))
                weights = [lanes.load(ws, _plus(builder, here, v * LANES)) for v in range(vectors)]
                for r in range(rows):
                    number = lanes.spread(xs, builder.add(x_rows[r], loop.index))
                    for v in range(vectors):
                        value = lanes.fma(number, weights[v], builder.load(sums[r, v]))
                        builder.store(value, sums[r, v])
            with builder.if_then(cgutils.is_true(builder, gelu)):
                for cell in cells:
                    builder.store(lanes.gelu(builder.load(sums[cell])), sums[cell])
            for r, v in cells:
                lanes.store(builder.load(sums[r, v]), ys, _plus(builder, y_rows[r], v * LANES))
            return context.get_dummy_value()

        return signature, code

    return multiply  # type: ignore[no-any-return]


@intrinsic
def lstm_cell(_, gates, gates_at, hidden, c, h, at):  # type: ignore[no-untyped-def] # numba looks at the names
    """One step of :data:`LANES` LSTM units, in place in ``c`` and ``h`` from ``at`` on. ``gates`` are what
    torch's are, input, forget, cell and output, each ``hidden`` numbers after the other."""
    signature = types.void(gates, gates_at, hidden, c, h, at)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder)
        data = _data(context, builder, signature, args)
        gs, cs, hs = data(0), data(3), data(4)
        _, gates_at, hidden, _, _, at = args
        taken, kept, new, shown = (lanes.load(gs, place) for place in _strided(builder, gates_at, hidden, 4))
        fresh = lanes.times(lanes.sigmoid(taken), lanes.tanh(new))
        state = lanes.fma(lanes.sigmoid(kept), lanes.load(cs, at), fresh)
        lanes.store(state, cs, at)
        lanes.store(lanes.times(lanes.sigmoid(shown), lanes.tanh(state)), hs, at)
        return context.get_dummy_value()

    return signature, code


def _data(context: Any, builder: Any, signature: Any, args: Any) -> Callable[[int], Any]:
    """Where the numbers of the array that is argument ``i`` begin."""
    return lambda i: context.make_array(signature.args[i])(context, builder, args[i]).data


def _strided(builder: Any, at: Any, step: Any, count: int) -> list[Any]:
    places = [at]
    for _ in range(1, count):
        places.append(builder.add(places[-1], step))
    return places


def _plus(builder: Any, at: Any, n: int) -> Any:
    return builder.add(at, ir.Constant(at.type, n)) if n else at
