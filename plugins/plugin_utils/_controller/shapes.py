# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Shapes of plain values from a source that is not trusted. A shape returns a plain copy of a value, or raises an error.

AnsibleModule's argument specs do not suffice: they convert values of a wrong type, and have no limits.
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import typing as t

__all__ = (
    "Each", "Fields", "Flag", "InvalidAnswer", "Line", "Maybe", "Named", "Number", "OneOf", "Prose", "Shape", "Text", "Tree", "Word", "address", "network",
    "source_address",
)  # fmt: skip

Shape = t.Callable[[t.Any, str], t.Any]  # a value, and its place in the answer

_SHOWN, _PLACE = 60, 200  # characters of a message
# Characters that control a terminal, change the direction of text, or are surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


class InvalidAnswer(ValueError):
    """An answer has an unexpected value."""

    def __init__(self, where: str, found: t.Any, expected: str) -> None:
        """Take the place of the value, the value, and what was expected."""
        super().__init__(f"{_printable(where, _PLACE) + ': ' if where else ''}found {_shown(found)}, expected {expected}")


@dataclasses.dataclass(frozen=True)
class Text:
    """A text that is kept unchanged, such as the content of a file."""

    most: int

    def __call__(self, value: t.Any, where: str) -> str:
        """Return the text."""
        if not isinstance(value, str):
            raise InvalidAnswer(where, value, "a text")
        if len(value) > self.most:
            raise InvalidAnswer(where, f"{len(value)} characters", f"{self.most} or fewer")
        return "".join(value)  # a plain one, without Ansible's tags


@dataclasses.dataclass(frozen=True)
class Prose:
    """A text for people: truncated, without control characters of terminals, and in one line unless lines are allowed."""

    most: int = 4000
    lines: bool = False

    def __call__(self, value: t.Any, where: str) -> str:
        """Return the part that is shown."""
        text = Text(1 << 30)(value, where)
        text = text if len(text) <= self.most else f"{text[: self.most]}…"
        return _CONTROL.sub("\ufffd", text if self.lines else text.replace("\n", " "))


@dataclasses.dataclass(frozen=True)
class Word:
    """A text of one form."""

    pattern: str
    expected: str

    def __call__(self, value: t.Any, where: str) -> str:
        """Return the text."""
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value, re.ASCII):
            raise InvalidAnswer(where, value, self.expected)
        return "".join(value)


Line = Word(r"[^\x00-\x1f\x7f\ud800-\udfff]{0,512}", "a line of 512 characters or fewer")


@dataclasses.dataclass(frozen=True)
class Number:
    """A number in a range, including both ends."""

    least: float
    most: float
    whole: bool = True

    def __call__(self, value: t.Any, where: str) -> int | float:
        """Return the number."""
        kinds = (int,) if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not self.least <= value <= self.most:  # NaN is refused as well
            raise InvalidAnswer(where, value, f"a{' whole' if self.whole else ''} number from {self.least:.0f} to {self.most:.0f}")
        return int(value) if self.whole else float(value)


@dataclasses.dataclass(frozen=True)
class Maybe:
    """A value, or none."""

    shape: Shape

    def __call__(self, value: t.Any, where: str) -> t.Any:
        """Return the value."""
        return None if value is None else self.shape(value, where)


class OneOf:
    """One of a few values."""

    def __init__(self, *values: t.Any) -> None:
        """Take the values."""
        self.values = values

    def __call__(self, value: t.Any, where: str) -> t.Any:
        """Return the value."""
        for known in self.values:
            if isinstance(value, type(known)) and value == known and isinstance(value, bool) == isinstance(known, bool):
                return known
        raise InvalidAnswer(where, value, " or ".join(map(str, self.values)))


Flag = OneOf(True, False)


@dataclasses.dataclass(frozen=True)
class Each:
    """A list whose elements have one shape."""

    shape: Shape
    most: int = 1000
    exactly: int | None = None

    def __call__(self, value: t.Any, where: str) -> list[t.Any]:
        """Return the list."""
        if not isinstance(value, list):
            raise InvalidAnswer(where, value, "a list")
        if len(value) > self.most or self.exactly not in (None, len(value)):
            raise InvalidAnswer(where, value, f"{self.most} or fewer" if self.exactly is None else f"a list of {self.exactly}")
        return [self.shape(element, f"{where}[{number}]") for number, element in enumerate(value)]


@dataclasses.dataclass(frozen=True)
class Named:
    """A mapping whose keys have one shape, and its values another."""

    key: Shape
    shape: Shape
    most: int = 1000

    def __call__(self, value: t.Any, where: str) -> dict[t.Any, t.Any]:
        """Return the mapping."""
        if not isinstance(value, dict):
            raise InvalidAnswer(where, value, "a mapping")
        if len(value) > self.most:
            raise InvalidAnswer(where, value, f"{self.most} or fewer")
        for key in value:
            if isinstance(key, str) and key.startswith("__ansible"):  # Ansible would turn the mapping into an object
                raise InvalidAnswer(where, f"the key {key}", "names that are not Ansible's own")
        keys = {key: self.key(key, f"a key of {where}") for key in value}
        return {keys[key]: self.shape(element, f"{where}.{keys[key]}") for key, element in value.items()}


class Fields:
    """A mapping with exactly these keys. Optional ones may be missing."""

    def __init__(self, required: t.Mapping[str, Shape], optional: t.Mapping[str, Shape] | None = None) -> None:
        """Take the shapes by key."""
        self.required, self.shapes = required, {**required, **(optional or {})}

    def __call__(self, value: t.Any, where: str) -> dict[str, t.Any]:
        """Return the mapping."""
        if not isinstance(value, dict):
            raise InvalidAnswer(where, value, "a mapping")
        for key in value:
            if key not in self.shapes:
                raise InvalidAnswer(where, f"the key {_shown(key)}", f"only {', '.join(self.shapes) or 'the keys of every answer'}")
        for key in self.required:
            if key not in value:
                raise InvalidAnswer(where, f"no key {key}", "one")
        return {"".join(key): self.shapes[key](element, f"{where}.{key}" if where else key) for key, element in value.items()}


@dataclasses.dataclass(frozen=True)
class Tree:
    """Mappings, lists, texts and numbers that are only shown."""

    depth: int = 8

    def __call__(self, value: t.Any, where: str) -> t.Any:
        """Return the part that is shown."""
        if isinstance(value, str):
            return Prose(1 << 20, lines=True)(value, where)
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, (int, float)):
            return Number(-(2.0**63), 2.0**63, whole=isinstance(value, int))(value, where)
        if self.depth and isinstance(value, list):
            return Each(Tree(self.depth - 1), 10_000)(value, where)
        if self.depth and isinstance(value, dict):
            return Named(Prose(), Tree(self.depth - 1), 10_000)(value, where)
        raise InvalidAnswer(where, value, "nested mappings and lists of texts and numbers")


def address(value: t.Any, where: str) -> str:
    """Return an IP address. A link-local one may have its interface."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]{1,15})?", value):
        raise InvalidAnswer(where, value, "an IP address")
    return _internet(value, where, ipaddress.ip_address, "an IP address")


def source_address(value: t.Any, where: str) -> str:
    """Return an IP address that packets between hosts may come from."""
    parsed = ipaddress.ip_address(address(value, where))
    if "%" in value or parsed.is_loopback or parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified:
        raise InvalidAnswer(where, value, "an address that packets to other hosts may have")
    return str(parsed)


def network(value: t.Any, where: str) -> str:
    """Return an IPv4 network."""
    return _internet(value, where, ipaddress.IPv4Network, "an IPv4 network")


def _internet(value: t.Any, where: str, parse: t.Callable[[str], object], expected: str) -> str:
    try:
        parse(Text(64)(value, where))
    except InvalidAnswer:
        raise
    except ValueError:
        raise InvalidAnswer(where, value, expected) from None
    return "".join(value)


def _shown(value: t.Any) -> str:
    """Return a short description of a value."""
    if isinstance(value, dict):
        return f"a mapping of {len(value)}"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return f"{value:g}" if isinstance(value, float) else f"{value}" if value.bit_length() < 64 else "a number beyond 64 bits"
    text = _printable(value if isinstance(value, str) else f"{value}", _SHOWN)
    return text if isinstance(value, str) else f"{type(value).__name__} {text}"


def _printable(text: str, most: int) -> str:
    """Return the beginning of a text for a message."""
    text = text if len(text) <= most else f"{text[:most]}…"
    return "".join(character if character.isprintable() else "\ufffd" for character in text)
