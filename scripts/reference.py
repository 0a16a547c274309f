"""Writes bullmq_consumer/docs/reference.md from the docstrings: `python -m scripts.reference`."""

import ast
import enum
import importlib
import inspect
import typing
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

PAGE = Path(__file__).parents[1] / "bullmq_consumer/docs/reference.md"

_HEAD = """\
# Reference

All public names, made from their docstrings by `python -m scripts.reference`; a test compares them.

"""
_TESTING = """\
# Of `bullmq_consumer.testing`

"""
_WIDTH = 100


def page() -> str:
    """The whole page."""
    package = importlib.import_module("bullmq_consumer")
    testing = importlib.import_module("bullmq_consumer.testing")
    own = sorted(_homes(package).items(), key=lambda one: one[0].lower())
    parts = [_HEAD, *(_entry(name, home) for name, home in own)]
    parts += [_TESTING, *(_entry(name, testing) for name in ("run_job", "Ran", "NewJob"))]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def _homes(package: ModuleType) -> dict[str, ModuleType]:
    """The module in which each public name of the package is defined."""
    imports = [one for one in ast.walk(_tree(package)) if isinstance(one, ast.ImportFrom)]
    found = {alias.name: one.module or "" for one in imports for alias in one.names}
    return {name: importlib.import_module(found[name]) for name in package.__all__}


def _tree(thing: Any) -> ast.Module:
    return ast.parse(inspect.cleandoc("\n" + inspect.getsource(thing)))


def _entry(name: str, home: ModuleType) -> str:
    thing = getattr(home, name)
    if inspect.isclass(thing):
        return f"## {name}\n\n{_class(thing, home)}"
    if inspect.isfunction(thing):
        return f"## {name}\n\n{_function(thing, home)}"
    [node] = [one for one in _tree(home).body if name in _targets(one)]
    text = _string(_tree(home).body[_tree_index(home, node) + 1]) or ""
    code = ast.get_source_segment(inspect.getsource(home), node) or ""
    return f"## {name}\n\n{_block(code)}\n{text}"


def _tree_index(home: ModuleType, node: ast.stmt) -> int:
    return [one.lineno for one in _tree(home).body].index(node.lineno)


def _targets(node: ast.stmt) -> list[str]:
    match node:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return [name]
        case _:
            return []


def _string(node: ast.stmt) -> str | None:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return inspect.cleandoc(text)
        case _:
            return None


def _block(code: str) -> str:
    """As `ruff format` leaves it, which looks into pages, too."""
    quoted = code.replace("'", '"')
    return f"```python\n{quoted}\n```\n"


# -- classes ----------------------------------------------------------------------------------


def _class(kind: type[Any], home: ModuleType) -> str:
    [node] = _tree(kind).body
    assert isinstance(node, ast.ClassDef)
    head = f"class {node.name}" + (
        f"({', '.join(map(ast.unparse, node.bases))})" * bool(node.bases)
    )
    body = [*_fields(node), *_initialiser(kind, home)]
    code = f"{head}:" + ("".join(f"\n    {line}" for line in body) if body else " ...")
    parts = [_block(code), (inspect.getdoc(kind) or "") + "\n", *_members(node, kind)]
    methods = [
        f"### {node.name}.{name}\n\n{_function(_plain(one), home, is_property=_is_property(one))}"
        for name, one in vars(kind).items()
        if not name.startswith("_") and (_is_property(one) or inspect.isfunction(one))
    ]
    return "\n".join([*parts, *methods])


def _fields(node: ast.ClassDef) -> Iterator[str]:
    for one in node.body:
        if [name for name in _targets(one) if not name.startswith("_")]:
            yield ast.unparse(one)


def _initialiser(kind: type[Any], home: ModuleType) -> Iterator[str]:
    """Of those whom a user makes; jobs and handlers come from the package."""
    made_by_us = {"Handler", "SyncHandler", "Job", "SyncJob", "JobFields", "AttemptStopped"}
    own = vars(kind).get("__init__")
    if kind.__name__ in made_by_us or "__dataclass_fields__" in vars(kind):
        return
    if inspect.isfunction(own):
        yield from _signature(own, home).splitlines()


def _members(node: ast.ClassDef, kind: type[Any]) -> Iterator[str]:
    """What stands below the members of an enumeration."""
    if issubclass(kind, enum.Enum):
        told = [
            f"- `{_targets(one)[0]}`: {' '.join(text.split())}"
            for one, after in zip(node.body, node.body[1:], strict=False)
            if _targets(one) and (text := _string(after))
        ]
        yield "\n".join(told) + "\n"


def _is_property(thing: object) -> bool:
    return isinstance(thing, property)


def _plain(thing: Any) -> Callable[..., Any]:
    function: Any = thing.fget if isinstance(thing, property) else inspect.unwrap(thing)
    return function


# -- functions --------------------------------------------------------------------------------


def _function(function: Callable[..., Any], home: ModuleType, *, is_property: bool = False) -> str:
    ways = typing.get_overloads(function) or [function]
    code = "\n".join(_signature(one, home) for one in ways)
    decorator = "@property\n" * is_property
    return f"{_block(decorator + code)}\n{inspect.getdoc(function) or ''}\n"


def _signature(function: Callable[..., Any], home: ModuleType) -> str:
    [node] = _tree(function).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    _name_defaults(node.args, home)
    kind = "async def" if isinstance(node, ast.AsyncFunctionDef) else "def"
    kind = "@asynccontextmanager\nasync def" if _manages(node) else kind
    returns = "" if node.returns is None else f" -> {ast.unparse(node.returns)}"
    line = f"{kind} {node.name}({', '.join(_arguments(node.args))}){returns}: ..."
    if len(line.splitlines()[-1]) <= _WIDTH:
        return line
    arguments = "".join(map(_argument_line, _arguments(node.args)))
    return f"{kind} {node.name}(\n{arguments}){returns}: ..."


def _argument_line(argument: str) -> str:
    """One that is too long inside of a class is broken at its unions."""
    line = f"    {argument},\n"
    return line if len(line) + len("    ") <= _WIDTH else line.replace(" | ", "\n    | ")


def _manages(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return "asynccontextmanager" in map(ast.unparse, node.decorator_list)


def _name_defaults(arguments: ast.arguments, home: ModuleType) -> None:
    """Put the value in the place of a constant's name."""
    for defaults in (arguments.defaults, arguments.kw_defaults):
        for number, default in enumerate(defaults):
            if isinstance(default, ast.Name):
                value = getattr(home, default.id)
                text = repr(value).removeprefix("datetime.")
                assert isinstance(value, timedelta | int), default.id
                defaults[number] = ast.parse(text, mode="eval").body


def _arguments(arguments: ast.arguments) -> Iterator[str]:
    """One a line."""
    plain = [*arguments.posonlyargs, *arguments.args]
    missing = len(plain) - len(arguments.defaults)
    for one, default in zip(plain, [*[None] * missing, *arguments.defaults], strict=True):
        yield _argument(one, default)
    if arguments.vararg is not None:
        yield f"*{_argument(arguments.vararg, None)}"
    elif arguments.kwonlyargs:
        yield "*"
    for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _argument(one, default)


def _argument(one: ast.arg, default: ast.expr | None) -> str:
    equals = "" if default is None else f" = {ast.unparse(default)}"
    return ast.unparse(one) + equals


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
