"""Single changes of a program, as its author might have got it wrong, and how a process comes to have one.

A change is made in the syntax tree when the module is imported: no changed file is ever written. (mutmut and cosmic-ray
were looked at. They write files, start a test command for each, and know nothing of virtual time.)
"""

from __future__ import annotations

import ast
import hashlib
import importlib.machinery
import importlib.util
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import CodeType, ModuleType

from bench.errors import BenchError
from bench.manifest import PROJECT

_INSTEAD: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr, ast.Break: ast.Continue, ast.Continue: ast.Break,
}
_SAYS_NOTHING = {"annotation", "returns", "decorator_list", "format_spec", "type_comment"}
"""Fields in which a change is none of the program's, or none that can be compiled."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LONGEST_TEXT = 100


@dataclass(frozen=True, slots=True)
class Mutation:
    """Change ``number`` of ``file`` (its path in the project): in ``function`` (its qualified name, or that of the
    class; empty in the module) ``before`` becomes ``after``, the ``repetition``-th place there of which this holds.

    ``lines``: where that is, the innermost first; ``in_lambda``: whether it runs at another time than the line around
    it. What is executed when the module is imported has the ``names`` that it is known by, and else there are none.
    """

    file: str
    function: str
    before: str
    after: str
    repetition: int
    number: int
    lines: tuple[int, ...]
    in_lambda: bool
    names: tuple[str, ...]

    @property
    def id(self) -> str:
        """Eight hexadecimal digits, the same as long as the function says the same, wherever it stands."""
        said = f"{self.file}|{self.function}|{self.before}|{self.after}|{self.repetition}"
        return hashlib.sha256(said.encode()).hexdigest()[:8]

    @property
    def change(self) -> str:
        """In words, as the list of equivalents has it."""
        again = f" ({self.repetition})" if self.repetition > 1 else ""
        return f"{self.before}  →  {self.after}{again}"


@dataclass(frozen=True, slots=True)
class Where:
    """Where in a module a node is. ``shown``: the nodes around it by which a change may be told, the widest first."""

    function: tuple[str, ...] = ()
    runs: bool = False
    in_lambda: bool = False
    names: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    shown: tuple[ast.AST, ...] = ()

    def down(self, node: ast.AST, field: str, child: ast.AST) -> Where:
        """From ``node`` to its ``child``."""
        here = self
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and field == "body":
            here = replace(here, function=(*here.function, node.name), lines=(), shown=())
            if isinstance(node, _FUNCTIONS):
                here = replace(here, runs=True, in_lambda=False, names=())
        elif isinstance(node, ast.Lambda) and field == "body":
            here = replace(here, runs=True, in_lambda=True, names=())
        if isinstance(child, ast.stmt):
            here = replace(here, lines=(), shown=(), names=() if here.runs else _bound(child))
        if isinstance(child, ast.expr | ast.stmt):
            shown = (*here.shown, child) if not hasattr(child, "body") or isinstance(child, ast.expr) else here.shown
            here = replace(here, lines=(child.lineno, *here.lines), shown=shown)
        return here


@dataclass(frozen=True, slots=True)
class _Edit:
    """``new`` in the place of ``old``, which stands in ``field`` of ``holder``."""

    where: Where
    holder: ast.AST
    field: str
    index: int | None
    old: ast.AST
    new: ast.AST

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.holder, self.field, node)
        else:
            getattr(self.holder, self.field)[self.index] = node

    def told(self) -> tuple[str, str]:
        """Before and after, in as much of the statement as can be read at a glance."""
        shown = next((node for node in self.where.shown if len(ast.unparse(node)) <= _LONGEST_TEXT),
                     self.where.shown[-1])
        before = ast.unparse(shown)
        self.put(self.new)
        after = ast.unparse(self.new if shown is self.old else shown)
        self.put(self.old)
        return before, after


def mutations(file: Path) -> list[Mutation]:
    """All of a file of the project, in the order of its text."""
    return mutations_of(file.read_text("utf-8"), file.relative_to(PROJECT).as_posix())


def mutations_of(source: str, file: str) -> list[Mutation]:
    """All of ``source``, which stands in ``file``."""
    said: Counter[tuple[str, str, str]] = Counter()
    found = []
    for number, edit in enumerate(_edits(ast.parse(source), Where())):
        where, (before, after) = edit.where, edit.told()
        key = (".".join(where.function), before, after)
        said[key] += 1
        found.append(Mutation(file, *key, said[key], number,
                              tuple(dict.fromkeys(where.lines)), where.in_lambda, where.names))
    return found


def mutated(source: str, number: int) -> ast.Module:
    """The tree of ``source`` with one change."""
    tree = ast.parse(source)
    edit = next(edit for index, edit in enumerate(_edits(tree, Where())) if index == number)
    edit.put(edit.new)
    return ast.fix_missing_locations(tree)


def _edits(node: ast.AST, where: Where) -> Iterator[_Edit]:
    for field, value in ast.iter_fields(node):
        children = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
        for index, child in children:
            if not isinstance(child, ast.AST) or field in _SAYS_NOTHING or _is_idle(child):
                continue
            there = where.down(node, field, child)
            for new in _instead(node, field, child, there):
                if "lineno" in child._attributes:
                    ast.copy_location(new, child)
                yield _Edit(there, node, field, index, child, new)
            if not isinstance(child, ast.Raise):    # its words are the twin's own
                yield from _edits(child, there)


def _instead(node: ast.AST, field: str, child: ast.AST, where: Where) -> Iterator[ast.AST]:
    """What may stand in the place of ``child``, which ``node`` has in ``field``."""
    is_text = isinstance(node, ast.BinOp) and any(isinstance(one, ast.JoinedStr) or (
        isinstance(one, ast.Constant) and isinstance(one.value, str)) for one in (node.left, node.right))
    if type(child) in _INSTEAD and not is_text:
        yield _INSTEAD[type(child)]()
    if isinstance(child, ast.UnaryOp) and not isinstance(child.op, ast.UAdd):
        yield child.operand
    if isinstance(child, ast.Constant):
        yield from _other_constants(child.value)
    if field in ("test", "ifs", "guard") and not _has_opposite(child):
        yield ast.UnaryOp(ast.Not(), child)    # type: ignore[arg-type]    # an expression in these fields
    if where.runs and _may_be_left_out(child):
        yield ast.Pass()


def _other_constants(value: object) -> Iterator[ast.Constant]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int | float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str):
        yield ast.Constant(value + "_")
    elif isinstance(value, bytes):
        yield ast.Constant(value + bytes(1))


def _has_opposite(condition: ast.AST) -> bool:
    """Whether the change of its operator makes the opposite of it already."""
    if isinstance(condition, ast.Compare) and len(condition.ops) == 1:
        return isinstance(condition.ops[0], ast.Eq | ast.NotEq | ast.Is | ast.IsNot | ast.In | ast.NotIn)
    return isinstance(condition, ast.UnaryOp) and isinstance(condition.op, ast.Not)


def _may_be_left_out(statement: ast.AST) -> bool:
    if isinstance(statement, ast.Return):
        return statement.value is None
    if isinstance(statement, ast.AnnAssign):
        return statement.value is not None
    return isinstance(statement, ast.Assign | ast.AugAssign | ast.Expr | ast.Raise)


def _is_idle(node: ast.AST) -> bool:
    """What does nothing in a run: imports, docstrings, assertions, what is there for the reader or the type checker."""
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Expr(value=ast.Constant()):
            return True
        case ast.If(test=ast.Name(id="TYPE_CHECKING")) | ast.Call(func=ast.Name(id="cast" | "TypeVar")):
            return True
        case ast.Assign(targets=[ast.Name(id="__slots__" | "__all__")]):
            return True
    return False


def _bound(statement: ast.stmt) -> tuple[str, ...]:
    """The names that a statement gives to what it makes."""
    match statement:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            return (statement.name,)
        case ast.Assign(targets=targets):
            return tuple(node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            return (name,)
    return ()


# -- in a process


class _Mutant(importlib.machinery.SourceFileLoader):
    """Loads the changed module, from its source."""

    def __init__(self, name: str, mutation: Mutation) -> None:
        super().__init__(name, str(PROJECT / mutation.file))
        self._mutation = mutation

    def get_code(self, fullname: str) -> CodeType:
        """No bytecode is read or written: it would be somebody else's."""
        tree = mutated(Path(self.path).read_text("utf-8"), self._mutation.number)
        code: CodeType = compile(tree, self.path, "exec", dont_inherit=True)
        return code


class _Finder(MetaPathFinder):
    def __init__(self, mutation: Mutation) -> None:
        self._mutation = mutation
        self._name = _module(mutation)

    def find_spec(self, fullname: str, path: Sequence[str] | None,
                  target: ModuleType | None = None) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name:
            return None
        return importlib.util.spec_from_file_location(fullname, PROJECT / self._mutation.file,
                                                      loader=_Mutant(fullname, self._mutation))


def install(mutation: Mutation) -> None:
    """From now on this process imports the changed module. Raises ``BenchError`` when it has the healthy one."""
    if _module(mutation) in sys.modules:
        raise BenchError(f"mutant of {mutation.file}", expected="a process that has not loaded the twin",
                         seen=f"{_module(mutation)} in it", do="report this as a fault of the bench")
    sys.meta_path.insert(0, _Finder(mutation))


def _module(mutation: Mutation) -> str:
    return mutation.file.removesuffix(".py").replace("/", ".")
