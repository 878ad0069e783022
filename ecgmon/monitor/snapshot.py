"""Living objects as plain values, and back to the bit: what :mod:`ecgmon.monitor.keeper` puts on disk.

Pure. A component (a filter, a detector, a policy) is saved attribute by attribute and restored into a new one
that its own constructor made: settings, functions and tables are never stored, a restored attribute must have
the type, and an array the shape, of the one that it replaces. Nothing in a file names a class to be made but
the few value classes of :data:`VALUES`, and nothing is executed.

A component needs nothing for this as long as its attributes are numbers, texts, arrays, lists, tuples,
deques, dicts with text for keys, values of :data:`VALUES`, or components again. Where that does not do, it
has two methods of its own, :class:`Saveable`. An attribute of another type is a :class:`TypeError` when the
component is saved, not a silent loss. Two attributes that hold the same changing object come back as two, and
need such methods to be one again.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Container, Mapping
from functools import cache
from typing import Any, Final, Protocol, cast

import msgspec
import numpy as np

from ecgmon.config import Settings
from ecgmon.ecg.types import Beat, Quality, Score
from ecgmon.errors import DataError
from ecgmon.model.baseline import Baseline
from ecgmon.monitor.findings import Noted

Plain = Any
"""None, bool, int, float, str, bytes, ndarray, and lists and dicts (text for keys) of these."""

VALUES: Final[dict[str, type[Any]]] = {cls.__name__: cls for cls in (Beat, Noted, Quality, Score)}
"""Classes that only hold values; made anew from their fields."""

CONSTANTS: Final = frozenset({"_design"})
"""Attributes that the constructor alone decides, beside settings, functions, frozen sets and named tuples."""

KINDS: Final = frozenset("biuf")
_ATOMS: Final = frozenset({type(None), bool, int, float, str, bytes, np.ndarray})
_FIELDS: Final[dict[type[Any], tuple[str, ...]]] = {cls: cls.__struct_fields__ for cls in VALUES.values()}
_TAG: Final = "~"
_ARRAY: Final = 1


class Saveable(Protocol):
    """A component that says itself what it remembers; a new policy of
    :mod:`ecgmon.monitor.policies` may be one."""

    def save(self) -> dict[str, Plain]:
        """Everything that later results depend on, and nothing that the constructor decides."""

    def restore(self, saved: Mapping[str, Plain]) -> None:
        """Go on where the one that was saved stood; called on a new object with the same settings."""


def save(component: object) -> dict[str, Plain]:
    """What ``component`` remembers; see the module's text."""
    if _is_saveable(_class(component)):
        return cast("Saveable", component).save()
    if isinstance(component, Baseline):
        return {"raw": component.to_bytes()}
    return save_attributes(component)


def restore(component: object, saved: Mapping[str, Plain]) -> None:
    """The inverse of :func:`save`; :class:`DataError` when ``saved`` is of another kind of object."""
    if not isinstance(saved, Mapping):
        raise DataError(f"a stored {type(component).__name__} is of another kind")
    if _is_saveable(_class(component)):
        cast("Saveable", component).restore(saved)
    elif isinstance(component, Baseline):
        component.raw = Baseline.from_bytes(saved["raw"]).raw
    else:
        restore_attributes(component, saved)


def save_attributes(component: object, *, but: Container[str] = ()) -> dict[str, Plain]:
    """What ``component`` remembers, attribute by attribute, without those named in ``but``."""
    return {name: _save(value) for name, value in _attributes(component, but).items()}


def restore_attributes(component: object, saved: Mapping[str, Plain], *, but: Container[str] = ()) -> None:
    """The inverse of :func:`save_attributes`."""
    attributes = _attributes(component, but)
    if attributes.keys() != saved.keys():
        raise DataError(f"a stored {type(component).__name__} has other parts")
    for name, current in attributes.items():
        _restore(component, name, current, saved[name])


def encode(saved: Plain) -> bytes:
    """As MessagePack; arrays keep type, shape and every bit."""
    return msgspec.msgpack.encode(saved, enc_hook=_encode_array)


def decode(raw: bytes) -> Plain:
    """The inverse of :func:`encode`; :class:`DataError` when it is no such thing."""
    try:
        return msgspec.msgpack.decode(raw, ext_hook=_decode_array)
    except (msgspec.MsgspecError, ValueError, TypeError, UnicodeDecodeError) as error:
        raise DataError(f"stored state cannot be read: {error}") from None


def to_plain(value: object) -> Plain:  # noqa: PLR0911 - one case, one return
    """A value as plain ones; :class:`TypeError` for what has no such form."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [to_plain(each) for each in value]
    if isinstance(value, tuple) and not hasattr(value, "_fields"):
        return {_TAG: "tuple", "v": [to_plain(each) for each in value]}
    if isinstance(value, deque):
        return {_TAG: "deque", "n": value.maxlen, "v": [to_plain(each) for each in value]}
    if isinstance(value, dict) and all(isinstance(key, str) and key != _TAG for key in value):
        plain = {key: to_plain(each) for key, each in value.items()}
        return {_TAG: "counter", "v": plain} if isinstance(value, Counter) else plain
    name, fields = type(value).__name__, _FIELDS.get(type(value))
    if fields is not None:
        return {_TAG: name, "v": {field: to_plain(getattr(value, field)) for field in fields}}
    raise TypeError(f"a {type(value).__module__}.{name} cannot be saved; give its owner save and restore")


def from_plain(plain: Plain) -> Any:  # noqa: PLR0911 - one case, one return
    """The inverse of :func:`to_plain`."""
    if isinstance(plain, list):
        return [from_plain(each) for each in plain]
    if not isinstance(plain, dict):
        return plain
    tag = plain.get(_TAG)
    if tag is None:
        return {key: from_plain(each) for key, each in plain.items()}
    inside = from_plain(plain["v"])
    match tag:
        case "tuple":
            return tuple(inside)
        case "deque":
            return deque(inside, maxlen=plain["n"])
        case "counter":
            return Counter(inside)
        case _ if tag in VALUES:
            return VALUES[tag](**inside)
    raise DataError(f"stored state holds a {tag!a}, which this program does not know")


def attributes(component: object) -> dict[str, Any]:
    """All of its attributes, by name."""
    found = dict(getattr(component, "__dict__", {}))
    return found | {name: getattr(component, name) for name in _slots(_class(component))}


def _attributes(component: object, but: Container[str]) -> dict[str, Any]:
    """What is to be saved of it, by name."""
    return {
        name: value
        for name, value in attributes(component).items()
        if name not in CONSTANTS
        and name not in but
        and (type(value) in _ATOMS or not _is_constant(value))  # most are, and that is soon seen
    }


@cache
def _is_saveable(cls: type[object]) -> bool:
    """A runtime check of the protocol, at a tenth of the cost."""
    return callable(getattr(cls, "save", None)) and callable(getattr(cls, "restore", None))


def _is_constant(value: object) -> bool:
    named_tuple = isinstance(value, tuple) and hasattr(value, "_fields")
    return named_tuple or callable(value) or isinstance(value, (Settings, frozenset))


def _class(value: object) -> Any:
    return type(value)


@cache
def _slots(cls: type[object]) -> tuple[str, ...]:
    found = [name for each in cls.__mro__ for name in each.__dict__.get("__slots__", ())]
    return tuple(name for name in found if name != "__weakref__")


def _is_component(value: object) -> bool:
    return _is_component_class(_class(value))


@cache
def _is_component_class(cls: type[object]) -> bool:
    own = cls.__module__.startswith("ecgmon.") and cls not in _FIELDS
    return own and not issubclass(cls, msgspec.Struct) and not hasattr(cls, "_fields")


def _are_components(value: object) -> bool:
    return isinstance(value, tuple | list) and bool(value) and all(map(_is_component, value))


def _save(value: Any) -> Plain:
    if type(value) in _ATOMS:
        return value
    if _is_component(value):
        return save(value)
    return [save(each) for each in value] if _are_components(value) else to_plain(value)


def _restore(owner: object, name: str, current: Any, saved: Plain) -> None:
    where = f"{type(owner).__name__}.{name}"
    if _is_component(current):
        restore(current, saved)
        return
    if _are_components(current):
        if not isinstance(saved, list) or len(saved) != len(current):
            raise DataError(f"stored {where}: another number of parts")
        for component, plain in zip(current, saved, strict=True):
            restore(component, plain)
        return
    value = from_plain(saved)
    if not _fits(value, current):
        raise DataError(f"stored {where} is of another kind")
    setattr(owner, name, value)


def _fits(value: Any, current: Any) -> bool:
    """Whether ``value`` may take the place of ``current``; where nothing is known yet there is None."""
    if current is None or value is None:
        return True
    if isinstance(current, np.ndarray):
        same = isinstance(value, np.ndarray) and value.dtype == current.dtype
        return same and value.shape == current.shape
    if isinstance(current, deque):
        return isinstance(value, deque) and value.maxlen == current.maxlen
    if isinstance(current, float | np.floating):
        return isinstance(value, float | int) and not isinstance(value, bool)
    for kind in (bool, int, str, bytes, Counter, dict, list, tuple):
        if isinstance(current, kind):
            return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return False


def _encode_array(value: object) -> msgspec.msgpack.Ext:
    if not (isinstance(value, np.ndarray) and value.dtype.kind in KINDS and value.dtype.isnative):
        raise TypeError(f"a {type(value).__name__} cannot be saved")
    head = f"{value.dtype.str[1:]} {' '.join(map(str, value.shape))}\n".encode()
    raw = value if value.dtype.itemsize == 1 else value.astype(value.dtype.newbyteorder("<"), copy=False)
    return msgspec.msgpack.Ext(_ARRAY, head + raw.tobytes())


def _decode_array(code: int, raw: memoryview) -> Any:
    if code != _ARRAY:
        raise ValueError(f"unknown extension {code}")
    head, _, body = bytes(raw).partition(b"\n")
    kind, *shape = head.decode("ascii").split()
    if kind[:1] not in KINDS:
        raise ValueError(f"unknown type {kind!a}")
    array = np.frombuffer(body, np.dtype("<" + kind)).reshape([int(n) for n in shape])
    return array.astype(array.dtype.newbyteorder("="))
