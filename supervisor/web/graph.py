"""What a task waits for, and what waits for it."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from supervisor.errors import UnknownTaskError
from supervisor.ids import id_of, to_text
from supervisor.journal.history import History
from supervisor.journal.ties import TiesReader
from supervisor.states import State
from supervisor.web.answer import Answer
from supervisor.web.statements import SQL

_MOST = 200
_MOST_CHILDREN = 100
_WINDOW = 50_000
"""Rows of ties that are searched for the children of one task."""
_MOST_SEARCHES = 20


class Node(Struct, frozen=True):
    """A task of the graph; ``name`` is empty for one whose record is gone."""

    id: str
    name: str
    state: State | None


class Edge(Struct, frozen=True):
    """The child waits, or waited, for the parent."""

    parent: str
    child: str


class Graph(Answer):
    """A task and its relatives."""

    root: str
    complete: bool
    nodes: list[Node]
    edges: list[Edge]


class _Walk:
    def __init__(self, history: History) -> None:
        self._connection = history.connection
        self.nodes: dict[bytes, Node] = {}
        self.edges: set[Edge] = set()
        self.complete = True
        self._searches = 0

    def walk(self, root: bytes) -> None:
        """Breadth first, in both directions, until there is enough."""
        open_ids = deque([root])
        while open_ids:
            task_id = open_ids.popleft()
            if task_id in self.nodes:
                continue
            if len(self.nodes) >= _MOST:
                self.complete = False
                break
            open_ids.extend(self._visit(task_id))
        known = {to_text(each) for each in self.nodes}
        self.edges = {edge for edge in self.edges if edge.parent in known and edge.child in known}

    def _visit(self, task_id: bytes) -> list[bytes]:
        row = self._connection.execute(SQL["node"], (task_id,)).fetchone()
        if row is None:
            self.nodes[task_id] = Node(to_text(task_id), "", None)
            return []
        seq, name, state = row
        self.nodes[task_id] = Node(to_text(task_id), name, State(state))
        ties = TiesReader(self._connection).of(seq)
        parents = ties.parents if ties else []
        children = self._children(seq, task_id)
        self.edges |= {Edge(to_text(parent), to_text(task_id)) for parent in parents}
        self.edges |= {Edge(to_text(task_id), to_text(child)) for child in children}
        return [*parents, *children]

    def _children(self, seq: int, task_id: bytes) -> list[bytes]:
        if self._searches >= _MOST_SEARCHES:
            self.complete = False
            return []
        self._searches += 1
        values = {"seq": seq, "id": task_id, "window": _WINDOW, "most": _MOST_CHILDREN}
        found = [row[0] for row in self._connection.execute(SQL["children"], values)]
        (searched,) = self._connection.execute(SQL["ties_behind"], {"seq": seq, "window": _WINDOW}).fetchone()
        self.complete = self.complete and len(found) < _MOST_CHILDREN and searched < _WINDOW
        return found


def graph(history: History, task_id: str) -> Graph:
    """The relatives of a task. Raises UnknownTaskError."""
    root = id_of(task_id)
    walk = _Walk(history)
    walk.walk(root)
    if walk.nodes[root].state is None:
        raise UnknownTaskError(task_id)
    edges = sorted(walk.edges, key=lambda edge: (edge.parent, edge.child))
    return Graph(root=to_text(root), complete=walk.complete, nodes=list(walk.nodes.values()), edges=edges)
