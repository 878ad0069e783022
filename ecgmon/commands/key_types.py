"""The type of a settings key: in words, and which settings lie within it."""

from __future__ import annotations

from functools import singledispatch
from typing import Final

from msgspec.inspect import (
    BoolType,
    DictType,
    FloatType,
    IntType,
    ListType,
    LiteralType,
    Metadata,
    NoneType,
    StrType,
    StructType,
    TupleType,
    Type,
    UnionType,
    VarTupleType,
)

from ecgmon.config import Settings

_WORDS: Final[dict[type[Type], str]] = {
    NoneType: "null", BoolType: "true or false", StrType: "text", StructType: "settings",
}  # fmt: skip


@singledispatch
def kind_of(node: Type) -> str:
    """The kind of value in words, with its bounds."""
    return _WORDS.get(type(node), "anything")


@kind_of.register
def _(node: Metadata) -> str:
    return kind_of(node.type)


@kind_of.register
def _(node: UnionType) -> str:
    return " or ".join(dict.fromkeys(kind_of(each) for each in node.types))


@kind_of.register
def _(node: IntType) -> str:
    return ", ".join(["whole number", *_bounds(node)])


@kind_of.register
def _(node: FloatType) -> str:
    return ", ".join(["number", *_bounds(node)])


@kind_of.register
def _(node: LiteralType) -> str:
    return " or ".join(str(value) for value in node.values)


@kind_of.register(ListType)
@kind_of.register(VarTupleType)
def _(node: ListType | VarTupleType) -> str:
    return f"list of: {kind_of(node.item_type)}"


@kind_of.register
def _(node: TupleType) -> str:
    return "list of " + ", ".join(kind_of(each) for each in node.item_types)


@kind_of.register
def _(node: DictType) -> str:
    return f"mapping of {kind_of(node.key_type)} to: {kind_of(node.value_type)}"


@singledispatch
def structs_in(_node: Type) -> list[type[Settings]]:
    """The settings classes that a value of this type may be, or be made of."""
    return []


@structs_in.register
def _(node: Metadata) -> list[type[Settings]]:
    return structs_in(node.type)


@structs_in.register
def _(node: StructType) -> list[type[Settings]]:
    return [node.cls] if issubclass(node.cls, Settings) else []


@structs_in.register
def _(node: UnionType) -> list[type[Settings]]:
    return [cls for each in node.types for cls in structs_in(each)]


@structs_in.register(ListType)
@structs_in.register(VarTupleType)
def _(node: ListType | VarTupleType) -> list[type[Settings]]:
    return structs_in(node.item_type)


@structs_in.register
def _(node: DictType) -> list[type[Settings]]:
    return structs_in(node.value_type)


def range_of(node: Type) -> str:
    """What a value may be, where its default does not show it; empty where that is anything."""
    match node:
        case Metadata():
            return range_of(node.type)
        case UnionType():
            return " or ".join(filter(None, map(range_of, node.types)))
        case IntType() | FloatType():
            return "".join(_bounds(node))
        case LiteralType():
            return kind_of(node)
        case _:
            return ""


def _bounds(node: IntType | FloatType) -> list[str]:
    low = (
        []
        if node.gt is node.ge is None
        else [f"above {_short(node.gt)}" if node.ge is None else _short(node.ge)]
    )
    high = (
        []
        if node.lt is node.le is None
        else [f"below {_short(node.lt)}" if node.le is None else _short(node.le)]
    )
    if not high:
        return [f"from {low[0]}" if node.gt is None else low[0]] if low else []
    return [" to ".join([*low, *high])]


def _short(number: float | None) -> str:
    return f"{number:,}".replace(",", " ").removesuffix(".0")
