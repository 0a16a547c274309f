"""What reads and writes the types of handlers: pydantic, from when the first value needs it.

Its import takes a quarter of the start of a worker, and many handlers take what JSON brings and
return nothing.
"""

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, cached_property
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

_SCALARS = Any, NoneType, None, bool, int, float, str
_LISTS = list, Sequence
_OBJECTS = dict, Mapping
_UNIONS = Union, UnionType


class Adapter:
    """Of one type of a function. Raises TypeError for a type that JSON cannot carry."""

    def __init__(self, function: Callable[..., Any], what: str, annotation: Any) -> None:
        self._annotation = annotation
        if _is_plain(annotation):
            return  # pydantic would take it
        from pydantic.errors import PydanticSchemaGenerationError, PydanticUndefinedAnnotation

        try:
            _ = self.pydantic
        except (PydanticSchemaGenerationError, PydanticUndefinedAnnotation) as error:
            raise TypeError(
                f"{named(function)}: JSON cannot carry {what} of type {annotation!r}"
            ) from error

    @cached_property
    def pydantic(self) -> "TypeAdapter[Any]":
        """Pydantic's own."""
        return adapter_of(self._annotation)


def adapter_of(returns: "type[T] | TypeAdapter[T]") -> "TypeAdapter[T]":
    """The adapter of a type, for what it reads and writes as JSON."""
    from pydantic import TypeAdapter

    if isinstance(returns, TypeAdapter):
        return returns
    return TypeAdapter(returns)


@cache
def adapter_of_any() -> "TypeAdapter[Any]":
    """Of whatever pydantic can write as JSON."""
    return adapter_of(cast("type[Any]", Any))


async def load() -> None:
    """Load pydantic unless it is there, in a thread: it takes as long as many jobs."""
    if "pydantic.type_adapter" not in sys.modules:
        await asyncio.to_thread(adapter_of_any)


def is_json_value(annotation: Any) -> bool:
    """Whether it is pydantic's JsonValue, which nobody has who has not loaded pydantic."""
    if getattr(annotation, "__name__", "") != "JsonValue":
        return False
    from pydantic import JsonValue

    return annotation is JsonValue


def named(function: Callable[..., Any]) -> str:
    """How errors call it: with its module."""
    return f"{function.__module__}.{function.__qualname__}"


def _is_plain(annotation: Any) -> bool:
    """Whether it is made of nothing but JSON's own types."""
    origin, of = get_origin(annotation) or annotation, get_args(annotation)
    if origin in _OBJECTS:
        return not of or (of[0] is str and _is_plain(of[1]))
    if origin in _LISTS or origin in _UNIONS:
        return all(map(_is_plain, of))
    return origin in _SCALARS
