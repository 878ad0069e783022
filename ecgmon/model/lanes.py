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

_FEATURES: Final = cpu_target.target_context.codegen().magic_tuple()[2].split(",")
"""Of the processor that numba compiles for, by which it tells cached code apart."""
LANES: Final = 16 if "+avx512f" in _FEATURES else 8 if "+avx" in _FEATURES else 4
"""Numbers in a vector: AVX-512, AVX, and whatever else there is, SSE2 or NEON. The net that ships takes 14 µs
a beat here with 16, 23 µs with 8, and 63 µs with SSE2's 4 (``NUMBA_CPU_NAME``, ``NUMBA_CPU_FEATURES``)."""
PANEL: Final = 2 * LANES
"""Columns of a tile; matrices are packed in panels of so many."""
ROWS: Final = 12 if LANES == 16 else 6
"""Rows of a tile. Two vectors of columns wide, its sums take 24 of AVX-512's 32 registers, else 12 of 16."""
FEW: Final = 4
"""Rows of a smaller tile for what is left; then one by one."""

GELU_ENDS: Final = 5.4
GELU: Final = (
    2.618562281e-01, -1.306553334e-01, 9.699740261e-02, -7.844081521e-02, 6.427609921e-02,
    -5.122689158e-02, 3.893209621e-02, -2.902101539e-02, 2.065422013e-02, -1.127643511e-02,
    4.794329870e-03, -4.381476436e-03, 4.021252971e-03, -1.344480435e-03,
)  # fmt: skip
"""erf(x / √2) = x p(2 (x / 5.4)² - 1), lowest power first, and ±1 at the ends and beyond: least squares over
Chebyshev nodes, weighted until GELU's errors are alike, which are below 1e-6. Longer than a rational
function's two polynomials, but a division takes as long as sixteen products."""

TANH_ENDS: Final = 7.90531110763549805
TANH_ODD: Final = (
    4.89352455891786e-03, 6.37261928875436e-04, 1.48572235717979e-05, 5.12229709037114e-08,
    -8.60467152213735e-11, 2.00018790482477e-13, -2.76076847742355e-16,
)  # fmt: skip
TANH_EVEN: Final = (
    4.89352518554385e-03, 2.26843463243900e-03, 1.18534705686654e-04, 1.19825839466702e-06,
)  # fmt: skip
"""tanh(x) = x odd(x²) / even(x²) within 4e-7 (the minimax approximation of Eigen and XLA)."""

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
        x = self._cut(x, ends)
        square = self.times(x, x)
        above, below = (self._polynomial(square, coefficients) for coefficients in (odd, even))
        return self.builder.fdiv(self.times(x, above), below)

    def gelu(self, x: Any) -> Any:
        """x / 2 (1 + erf(x / √2))"""
        known = self._cut(x, GELU_ENDS)
        place = self.fma(self.times(known, known), self.constant(2.0 / GELU_ENDS**2), self.constant(-1.0))
        erf = self.times(known, self._polynomial(place, GELU))
        half = self.times(x, self.constant(0.5))
        return self.fma(half, erf, half)

    def tanh(self, x: Any) -> Any:
        return self.rational(x, TANH_ENDS, TANH_ODD, TANH_EVEN)

    def sigmoid(self, x: Any) -> Any:
        half = self.constant(0.5)
        return self.fma(self.tanh(self.times(x, half)), half, half)

    def _cut(self, x: Any, ends: float) -> Any:
        """``x`` within ±``ends``; NaN stays NaN."""
        for sign, end in ((">", self.constant(ends)), ("<", self.constant(-ends))):
            x = self.builder.select(self.builder.fcmp_ordered(sign, x, end), end, x)
        return x

    def _polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        value = self.constant(coefficients[-1])
        for coefficient in coefficients[-2::-1]:
            value = self.fma(x, value, self.constant(coefficient))
        return value

    def _place(self, data: Any, at: Any) -> Any:
        return self.builder.bitcast(self.builder.gep(data, [at]), _VECTOR.as_pointer())


def tile(rows: int) -> Callable[..., None]:
    """A function for compiled code: ``rows`` rows of start + x @ w, one or two vectors of columns wide.

    ``multiply(x, at, step, k, w, w_at, wide, start, start_at, start_step, y, y_at, y_step)``: arrays are flat
    float32 [...]; row r of x are the ``k`` numbers from ``at + r * step`` on, of w those from
    ``w_at + r * vectors * LANES`` on; ``start`` and ``y`` are strided by row likewise.
    """

    @intrinsic
    def multiply(_, x, at, step, k, w, w_at, wide, start, start_at, start_step, y, y_at, y_step):  # type: ignore[no-untyped-def] # numba looks at the names
        signature = types.void(x, at, step, k, w, w_at, wide, start, start_at, start_step, y, y_at, y_step)

        def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            data = _data(context, builder, signature, args)
            _, at, step, k, _, w_at, wide, _, start_at, start_step, _, y_at, y_step = args
            arrays = data(0), data(4), data(7), data(10)
            x_rows, start_rows, y_rows = (
                _strided(builder, *pair, rows)
                for pair in ((at, step), (start_at, start_step), (y_at, y_step))
            )
            with builder.if_else(cgutils.is_true(builder, wide)) as (two, one):
                for width, case in ((2, two), (1, one)):
                    with case:
                        _multiply(builder, width, k, w_at, arrays, (x_rows, start_rows, y_rows))
            return context.get_dummy_value()

        return signature, code

    return multiply  # type: ignore[no-any-return]


def _multiply(
    builder: Any, vectors: int, k: Any, w_at: Any, arrays: Sequence[Any], places: Sequence[Sequence[Any]]
) -> None:
    """The instructions of a tile; ``places`` where its rows begin in x, start and y."""
    (xs, ws, starts, ys), (x_rows, start_rows, y_rows) = arrays, places
    lanes = Lanes(builder)
    cells = [(r, v) for r in range(len(x_rows)) for v in range(vectors)]
    sums = {cell: cgutils.alloca_once(builder, _VECTOR) for cell in cells}
    for r, v in cells:
        builder.store(lanes.load(starts, _plus(builder, start_rows[r], v * LANES)), sums[r, v])
    with cgutils.for_range(builder, k) as loop:
        here = builder.add(w_at, builder.mul(loop.index, ir.Constant(k.type, vectors * LANES)))
        weights = [lanes.load(ws, _plus(builder, here, v * LANES)) for v in range(vectors)]
        for r, x_row in enumerate(x_rows):
            number = lanes.spread(xs, builder.add(x_row, loop.index))
            for v in range(vectors):
                builder.store(lanes.fma(number, weights[v], builder.load(sums[r, v])), sums[r, v])
    for r, v in cells:
        lanes.store(builder.load(sums[r, v]), ys, _plus(builder, y_rows[r], v * LANES))


@intrinsic
def gelu(_, y, at, vectors):  # type: ignore[no-untyped-def] # numba looks at the names
    """GELU of ``vectors`` * :data:`LANES` numbers of ``y`` [...], flat float32, from ``at`` on, in place."""
    signature = types.void(y, at, vectors)

    def code(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        lanes = Lanes(builder)
        ys = _data(context, builder, signature, args)(0)
        _, at, vectors = args
        with cgutils.for_range(builder, vectors) as loop:
            here = builder.add(at, builder.mul(loop.index, ir.Constant(at.type, LANES)))
            lanes.store(lanes.gelu(lanes.load(ys, here)), ys, here)
        return context.get_dummy_value()

    return signature, code


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
