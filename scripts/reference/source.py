"""What the sources say of a name: its definition, signature, docstring and members.

The sources are parsed and not imported: signatures stay as they were written, on every version of Python.
"""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = "supervisor"
_DEFAULTS = {"NO_CONFIG": "TaskConfig()", "_UNSET": ""}
"""Names of our own that stand for a default, as a reader would write them."""
_TIGHT = re.compile(r"(: [^,()=]+)=")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Field:
    """An attribute of a class, or a member of an enumeration."""

    name: str
    type: str
    default: str
    doc: str | None


@functools.cache
def module(name: str) -> ast.Module:
    """The parsed source of a module."""
    path = ROOT.joinpath(*name.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))


def exported() -> dict[str, str]:
    """The public names of the package, each with the module that defines it."""
    tree = module(PACKAGE)
    homes = {
        alias.name: node.module
        for node in ast.walk(tree)  # they stand under `if TYPE_CHECKING`
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    return {name: homes.get(name, PACKAGE) for name in _all(tree)}


def _all(tree: ast.Module) -> list[str]:
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    raise LookupError("the package has no __all__")


def definitions(tree: ast.Module, name: str) -> list[ast.stmt]:
    """The statements that define a name: several for a function with overloads, whose own body is left out then."""
    found = [node for node in tree.body if name in _defines(node)]
    overloads = [node for node in found if isinstance(node, Function) and "overload" in decorators(node)]
    return [*overloads, found[-1]] if overloads else found[-1:]


def _defines(node: ast.stmt) -> list[str]:
    match node:
        case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            return [node.name]
        case ast.Assign():
            return [ast.unparse(target) for target in node.targets]
        case _:
            return []


def classes(tree: ast.Module) -> list[str]:
    """The names of its classes, in their order."""
    return [node.name for node in tree.body if isinstance(node, ast.ClassDef)]


def decorators(node: Function | ast.ClassDef) -> list[str]:
    """What stands behind each ``@``, without arguments."""
    return [ast.unparse(each.func if isinstance(each, ast.Call) else each) for each in node.decorator_list]


def signature(node: Function, called: str) -> str:
    """How it is called, ``self`` and ``cls`` left out."""
    text = ast.unparse(_without_self(node.args))
    text = _TIGHT.sub(r"\1 = ", text)
    for ours, theirs in _DEFAULTS.items():
        text = text.replace(ours, theirs)
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    prefix = "await " if isinstance(node, ast.AsyncFunctionDef) else ""
    return f"{prefix}{called}({text}){returns}"


def constructor(node: ast.ClassDef) -> list[str]:
    """How the class is called, if it says so itself."""
    made = [each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"]
    return [signature(each, node.name).removesuffix(" -> None") for each in made]


def _without_self(arguments: ast.arguments) -> ast.arguments:
    def rest(line: list[ast.arg]) -> list[ast.arg]:
        return [each for each in line if each.arg not in ("self", "cls")]

    return ast.arguments(
        posonlyargs=rest(arguments.posonlyargs),
        args=rest(arguments.args),
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg,
        defaults=arguments.defaults,
    )


def methods(node: ast.ClassDef, tree: ast.Module) -> Iterator[Function]:
    """The public ones, and those special ones that say what a call or an ``await`` does; inherited ones last.

    What is inherited from a public class stands with that.
    """
    for each in node.body:
        if isinstance(each, Function) and (each.name[0] != "_" or each.name in ("__call__", "__await__")):
            yield each
    for base in node.bases:
        home = _imported_from(tree, ast.unparse(base))
        if home is not None and ast.unparse(base) not in exported():
            parent = definitions(module(home), ast.unparse(base))[0]
            assert isinstance(parent, ast.ClassDef)
            yield from methods(parent, module(home))


def _imported_from(tree: ast.Module, name: str) -> str | None:
    """The module of the package that a name comes from."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            return node.module if node.module and node.module.startswith(f"{PACKAGE}.") else None
    return None


def is_property(node: Function) -> bool:
    """Whether it is read like an attribute."""
    return "property" in decorators(node)


def asyncio_form(name: str) -> str:
    """What its form for coroutines is called; ``await`` is a keyword."""
    return "await_" if name == "wait" else f"a{name}"


def fields(node: ast.ClassDef) -> Iterator[Field]:
    """Its attributes, each with the string that follows it."""
    for statement, after in zip(node.body, [*node.body[1:], None], strict=True):
        match statement:
            case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=value):
                default = ast.unparse(value) if value else ""
                yield Field(name, ast.unparse(kind), _DEFAULTS.get(default, default), _string(after))
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if not name.startswith("__"):
                yield Field(name, "", ast.unparse(value), _string(after))


def _string(node: ast.stmt | None) -> str | None:
    match node:
        case ast.Expr(value=ast.Constant(value=str() as text)):
            return text
        case _:
            return None


def doc_after(tree: ast.Module, node: ast.stmt) -> str | None:
    """The string that follows an assignment."""
    position = tree.body.index(node) + 1
    return _string(tree.body[position]) if position < len(tree.body) else None


def told(node: ast.ClassDef, tree: ast.Module) -> list[str]:
    """The attributes that the constructors of an error and of its bases in the same module set."""
    found: list[str] = []
    for base in node.bases:
        for parent in (each for each in tree.body if isinstance(each, ast.ClassDef) and each.name == ast.unparse(base)):
            found += told(parent, tree)
    for each in ast.walk(node):
        match each:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)]):
                found.append(name)
    return list(dict.fromkeys(found))
