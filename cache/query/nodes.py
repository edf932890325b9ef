"""The tree that a filter is parsed into. `str` of a node is text that parses back into an equal node.

Trees are plain values: they know the names of fields, not a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

_LARGEST_WHOLE: Final = 1e15  # whole numbers below are written without a point or an exponent


@dataclass(frozen=True, slots=True)
class Number:
    """A finite constant."""

    value: float

    def __str__(self) -> str:
        return _number(self.value)


@dataclass(frozen=True, slots=True)
class Percentile:
    """The value below which this percentage of the compared field's defined values lies, 0 to 100."""

    percent: float

    def __str__(self) -> str:
        return f"p{_number(self.percent)}"


@dataclass(frozen=True, slots=True)
class Field:
    """The value of a numeric field."""

    name: str

    def __str__(self) -> str:
        return self.name


Operand = Number | Percentile | Field
Comparison = Literal["<", "<=", ">", ">=", "=", "!="]


@dataclass(frozen=True, slots=True)
class Compare:
    """A chain of comparisons, each between neighbours; false where a value is undefined.

    Attributes:
        operands: At least two, a field among them; beside a percentile there is exactly one field.
        operators: One fewer.
    """

    operands: tuple[Operand, ...]
    operators: tuple[Comparison, ...]

    def __str__(self) -> str:
        pairs = zip(self.operators, self.operands[1:], strict=True)
        return str(self.operands[0]) + "".join(f" {operator} {operand}" for operator, operand in pairs)


@dataclass(frozen=True, slots=True)
class Defined:
    """Whether a numeric field has a value."""

    field: str
    defined: bool

    def __str__(self) -> str:
        return f"{self.field} is {'defined' if self.defined else 'undefined'}"


How = Literal["contains", "equals", "has", "matches"]
_SIGNS: Final = {"contains": "~", "equals": "=", "has": "has", "matches": "~"}


@dataclass(frozen=True, slots=True)
class Match:
    """What a text field contains, equals or has as a whole word, or the regular expression that it matches.

    Upper and lower case are the same. Of several texts one must do so.
    """

    field: str
    how: How
    text: str

    def __str__(self) -> str:
        if self.field == "tag" and self.how == "equals":
            return f"tag:{_string(self.text)}"
        text = f"/{self.text}/" if self.how == "matches" else _string(self.text)
        return f"{self.field} {_SIGNS[self.how]} {text}"


@dataclass(frozen=True, slots=True)
class SameText:
    """Whether two fields of one text each hold the same; upper and lower case are the same."""

    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.left} = {self.right}"


@dataclass(frozen=True, slots=True)
class Anywhere:
    """Whether a text occurs in the name, a caption or a reference."""

    text: str

    def __str__(self) -> str:
        return _string(self.text)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was judged: yes, no, or None for nothing. `fits` asks whether some word was judged so."""

    field: str
    value: bool | None

    def __str__(self) -> str:
        return f"{self.field} = {'unsaid' if self.value is None else 'yes' if self.value else 'no'}"


@dataclass(frozen=True, slots=True)
class Flag:
    """A field that is a condition by itself: judged, marked."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Not:
    """The rows for which a condition does not hold."""

    condition: Node

    def __str__(self) -> str:
        return f"not {_enclosed(self.condition, And, Or)}"


@dataclass(frozen=True, slots=True)
class And:
    """The rows for which all conditions hold; two at least."""

    conditions: tuple[Node, ...]

    def __str__(self) -> str:
        return " and ".join(_enclosed(condition, And, Or) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Or:
    """The rows for which some condition holds; two at least."""

    conditions: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(_enclosed(condition, Or) for condition in self.conditions)


Node = Compare | Defined | Match | SameText | Anywhere | Verdict | Flag | Not | And | Or


def field_names(node: Node) -> Iterator[str]:
    """Yield the names of the fields that a tree uses, some of them twice."""
    match node:
        case And(conditions) | Or(conditions):
            for condition in conditions:
                yield from field_names(condition)
        case Not(condition):
            yield from field_names(condition)
        case Compare(operands):
            yield from (operand.name for operand in operands if isinstance(operand, Field))
        case Defined(name) | Match(name) | Verdict(name) | Flag(name):
            yield name
        case SameText(left, right):
            yield from (left, right)
        case Anywhere():
            yield from ("name", "caption", "references")


def _enclosed(node: Node, *kinds: type) -> str:
    """Write a node in parentheses if it is of a kind that would come apart here."""
    return f"({node})" if isinstance(node, kinds) else str(node)


def _number(value: float) -> str:
    if value.is_integer() and abs(value) < _LARGEST_WHOLE:
        return str(int(value))
    return repr(value)


def _string(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
