"""Reads XML piece by piece in bounded memory, and refuses document types, entities and huge tokens."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from worker.connectors.file.statement.errors import StatementError

_CHUNK_BYTES = 64 * 1024
_MAX_TOKEN_BYTES = 1024**2
_MAX_DEPTH = 64
_MAX_BRANCH_NODES = 200_000
_MAX_BRANCH_CHARACTERS = 8_000_000


@dataclass(slots=True)
class Node:
    """One element, its namespace left out.

    Attributes:
        size: Elements of its branch, itself included.
    """

    name: str
    line: int
    attributes: dict[str, str]
    text: str = ""
    children: list["Node"] = field(default_factory=list)
    size: int = 1

    def find(self, path: str) -> "Node | None":
        """Return the first element at `path` (`Acct/Id/IBAN`), or None."""
        node: Node | None = self
        for name in path.split("/"):
            node = next((child for child in node.children if child.name == name), None) if node else None
        return node

    def all(self, path: str) -> Iterator["Node"]:
        """Yield every element at `path`."""
        head, _, rest = path.partition("/")
        for child in self.children:
            if child.name == head:
                yield from child.all(rest) if rest else (child,)

    def get(self, *paths: str) -> str | None:
        """Return the text of the first of `paths` that has any, whitespace collapsed."""
        for path in paths:
            node = self.find(path)
            if node is not None and (text := " ".join(node.text.split())):
                return text
        return None

    def as_line(self) -> str:
        """Write an element as one line of `name=text` for the list of rejected rows."""
        texts = (f"{child.name}={child.get('Cd') or ' '.join(child.text.split())}" for child in self.children)
        return " ".join(text for text in texts if not text.endswith("=")) or self.text.strip()


class _Target:
    """Receives expat's events; keeps only the branches under a watched element."""

    def __init__(self, watched: frozenset[str], marks: frozenset[str], containers: frozenset[str]) -> None:
        self._containers = containers
        self._open_marks: list[str] = []
        self.elements = 0
        self.ready: deque[tuple[str, Node]] = deque()
        self.expat: Any = None
        self.depth = 0
        self._watched = watched
        self._marks = marks
        self._stack: list[Node] = []
        self._texts: list[list[str]] = []
        self._nodes = 0
        self._characters = 0

    @property
    def _line(self) -> int:
        return int(self.expat.CurrentLineNumber)

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        self.depth += 1
        self.elements += 1
        if self.depth > _MAX_DEPTH:
            raise StatementError("elements are nested too deeply", line=self._line)
        node = Node(name, self._line, dict(attributes))
        if name in self._marks and not self._stack:
            self._open_marks.append(name)
            self.ready.append(("start", node))
        elif self._stack or name in self._watched or (self._open_marks and self._open_marks[-1] in self._containers):
            self._begin(node)

    def _begin(self, node: Node) -> None:
        if not self._stack:
            self._nodes = self._characters = 0
        self._nodes += 1
        if self._nodes > _MAX_BRANCH_NODES:
            raise StatementError("one entry is larger than any bank's", line=node.line)
        if self._stack:
            self._stack[-1].children.append(node)
        self._stack.append(node)
        self._texts.append([])

    def end(self, tag: str) -> None:
        self.depth -= 1
        if self._stack:
            node = self._stack.pop()
            node.text = "".join(self._texts.pop())
            if not self._stack:
                node.size = self._nodes
                self.ready.append(("branch", node))
        elif (name := tag.rpartition("}")[2]) in self._marks:
            self._open_marks.pop()
            self.ready.append(("end", Node(name, self._line, {})))

    def data(self, text: str) -> None:
        if self._texts:
            self._characters += len(text)
            if self._characters > _MAX_BRANCH_CHARACTERS:
                raise StatementError("one entry is larger than any bank's", line=self._line)
            self._texts[-1].append(text)

    def close(self) -> None:
        """Return None, because branches are taken as they end."""


def branches(
    stream: IO[bytes], *, watched: frozenset[str], marks: frozenset[str], containers: frozenset[str]
) -> Iterator[tuple[str, Node]]:
    """Yield `("branch", node)` for each watched element with all it holds, `("start"|"end", node)` for each mark.

    The last item is `("total", node)`, whose `size` is the number of all elements.

    Args:
        watched: Names of elements that are kept wherever they stand.
        marks: Names of elements whose beginning and end are told.
        containers: Marks whose direct children are all kept.

    Raises: StatementError with the line for document types, entities, broken XML, and sizes no statement has.
    """
    target = _Target(watched, marks, containers)
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    expat = target.expat = parser.parser
    fed = 0
    try:
        while chunk := stream.read(_CHUNK_BYTES):
            fed += len(chunk)
            parser.feed(chunk)
            yield from _drain(target)
            if fed - expat.CurrentByteIndex > _MAX_TOKEN_BYTES:
                raise StatementError("a tag or text is longer than a million bytes", line=expat.CurrentLineNumber)
        parser.close()
    except DefusedXmlException:
        reason = "declares a document type or entities; statements do not"
        raise StatementError(reason, line=expat.CurrentLineNumber) from None
    except (LookupError, ValueError):  # of an encoding that is none, or has several bytes for a letter
        raise StatementError("declares an encoding that cannot be read", line=1) from None
    except ParseError as error:
        raise StatementError(f"is not well-formed XML ({str(error).split(':')[0]})", line=error.position[0]) from None
    yield from _drain(target)
    yield "total", Node("", expat.CurrentLineNumber, {}, size=target.elements)


def _drain(target: _Target) -> Iterator[tuple[str, Node]]:
    while target.ready:
        yield target.ready.popleft()
