# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layout of the topology picture: boxes of hosts and the edges between them, as plain numbers."""

from __future__ import annotations

import dataclasses
import typing as t

__all__ = ("Box", "Picture", "Tile", "picture")

TILE_WIDTH, TILE_HEIGHT, GAP, PADDING, TITLE, BETWEEN = 176, 70, 10, 14, 30, 56
ENDPOINT_HEIGHT = 56
# Tiles in a row, by group.
_COLUMNS = {"proxy": 4, "master": 2, "worker": 3, "etcd": 7, "director": 1}
_MANY = 12  # a larger group has two more tiles in a row


@dataclasses.dataclass(frozen=True)
class Tile:
    """One host."""

    name: str
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Box:
    """One group of hosts."""

    group: str
    x: float
    y: float
    width: float
    height: float
    tiles: tuple[Tile, ...]

    @property
    def middle(self) -> float:
        """Return where edges end."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Return where edges begin."""
        return self.y + self.height


@dataclasses.dataclass(frozen=True)
class Edge:
    """One path of requests, from the bottom of a box to the top of another."""

    path: str
    kind: str
    label: str
    x: float
    y: float


@dataclasses.dataclass(frozen=True)
class Picture:
    """The whole picture."""

    width: float
    height: float
    endpoint: Box
    boxes: tuple[Box, ...]
    edges: tuple[Edge, ...]


def picture(groups: t.Mapping[str, t.Sequence[str]]) -> Picture:
    """Return the picture of these hosts by group: the endpoint at the top, the groups behind it in rows below."""
    rows = [[group for group in row if groups.get(group)] for row in (("proxy",), ("master", "worker"), ("etcd", "director"))]
    rows = [row for row in rows if row]
    sizes = {group: _size(group, len(groups[group])) for row in rows for group in row}
    widest = max([sum(sizes[group][0] for group in row) + BETWEEN * (len(row) - 1) for row in rows] + [420])
    endpoint = Box("endpoint", (widest - 420) / 2, 0, 420, ENDPOINT_HEIGHT, ())
    boxes: dict[str, Box] = {}
    y = endpoint.bottom + BETWEEN
    for row in rows:
        x = (widest - sum(sizes[group][0] for group in row) - BETWEEN * (len(row) - 1)) / 2
        height = max(sizes[group][1] for group in row)  # of equal height, so that no edge crosses a box
        for group in row:
            width = sizes[group][0]
            boxes[group] = Box(group, x, y, width, height, tuple(_tiles(groups[group], group, x, y)))
            x += width + BETWEEN
        y += height + BETWEEN
    return Picture(widest, y - BETWEEN, endpoint, tuple(boxes.values()), tuple(_edges(endpoint, boxes)))


def _columns(group: str, count: int) -> int:
    return min(count, _COLUMNS[group] + (2 if count > _MANY else 0))


def _size(group: str, count: int) -> tuple[float, float]:
    columns = _columns(group, count)
    rows = -(-count // columns)
    width = 2 * PADDING + columns * TILE_WIDTH + (columns - 1) * GAP
    return width, TITLE + PADDING + rows * TILE_HEIGHT + (rows - 1) * GAP


def _tiles(names: t.Sequence[str], group: str, x: float, y: float) -> t.Iterator[Tile]:
    columns = _columns(group, len(names))
    for number, name in enumerate(names):
        row, column = divmod(number, columns)
        yield Tile(name, x + PADDING + column * (TILE_WIDTH + GAP), y + TITLE + row * (TILE_HEIGHT + GAP))


def _edges(endpoint: Box, boxes: t.Mapping[str, Box]) -> t.Iterator[Edge]:
    """Return which group sends requests to which."""
    front = boxes.get("proxy", endpoint)
    if front is not endpoint:
        yield _edge(endpoint, front, "API and workloads")
    if "master" in boxes:
        yield _edge(front, boxes["master"], "API")
    if "worker" in boxes:
        yield _edge(front, boxes["worker"], "workloads")
    if "etcd" in boxes and "master" in boxes:
        yield _edge(boxes["master"], boxes["etcd"], "state")
    if "etcd" in boxes and "worker" in boxes:
        yield _edge(boxes["worker"], boxes["etcd"], "network", "quiet")


def _edge(begin: Box, end: Box, label: str, kind: str = "") -> Edge:
    """Return an edge that starts and ends vertically. Edges of one box are shifted apart."""
    shift = max(min((end.middle - begin.middle) / 8, 60), -60)
    x1, y1, x2, y2 = begin.middle + shift, begin.bottom, end.middle - shift, end.y - 6
    half = (y1 + y2) / 2
    return Edge(f"M{x1:g} {y1:g}C{x1:g} {half:g} {x2:g} {half:g} {x2:g} {y2:g}", kind, label, (x1 + x2) / 2, half)
