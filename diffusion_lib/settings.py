"""The values of a recipe become the arguments of functions: names and types are checked, and a refusal names its place."""

import inspect
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints


class RecipeError(ValueError):
    """A recipe that says something nobody understands."""


def named(where: str, table: Mapping[str, Callable], values: Mapping[str, Any]) -> Any:
    """Call the entry of `table` that `values["name"]` names with the rest of `values`. where: the section, for messages."""
    if not isinstance(values.get("name"), str) or values["name"] not in table:
        raise RecipeError(f"{where} name is {values.get('name')!r}, but it has to be one of: {listed(table)}")
    return called(where, table[values["name"]], {key: value for key, value in values.items() if key != "name"})


def called(where: str, function: Callable, values: Mapping[str, Any]) -> Any:
    """Call `function` with `values` after checking their names and types. where: the section, for messages."""
    parameters = inspect.signature(function).parameters
    hints = get_type_hints(function.__init__ if isinstance(function, type) else function)
    for key, value in values.items():
        if key not in parameters:
            raise RecipeError(f"{where} {key} is {value!r}, but {where} takes only: {listed(parameters) or 'a name'}")
        if key in hints and not _fits(value, hints[key]):
            raise RecipeError(f"{where} {key} is {value!r}, but it has to be {_kind(hints[key])}")
    missing = [name for name, p in parameters.items() if p.default is p.empty and name not in values]
    if missing:
        raise RecipeError(f"{where} lacks {missing[0]}")
    with blamed_on(where):
        return function(**{key: _as_meant(value, hints.get(key)) for key, value in values.items()})


@contextmanager
def blamed_on(where: str) -> Iterator[None]:
    """What the library refuses inside, the recipe's reader hears about with its place. where: the section."""
    try:
        yield
    except RecipeError:
        raise                                                # it names its place already
    except ValueError as error:
        raise RecipeError(f"{where} {error}") from error


def _fits(value, hint) -> bool:
    """Whether a TOML value is of the type `hint`: whole numbers are floats too, lists are tuples, true is no number."""
    if get_origin(hint) in (Union, types.UnionType):
        return any(_fits(value, choice) for choice in get_args(hint))
    if get_origin(hint) is tuple:
        return isinstance(value, list) and all(_fits(item, get_args(hint)[0]) for item in value)
    if hint is Path:
        return isinstance(value, str)
    if hint in (int, float):
        return isinstance(value, (int, float) if hint is float else int) and not isinstance(value, bool)
    return isinstance(value, hint) if isinstance(hint, type) else True


def _as_meant(value, hint):
    """A TOML value as the library takes it: lists are tuples, and a text may be the name of a file."""
    if isinstance(value, list):
        return tuple(value)
    return Path(value) if isinstance(value, str) and Path in (hint, *get_args(hint)) else value


def _kind(hint) -> str:
    """A type in words, for whoever wrote the recipe."""
    words = {int: "a whole number", float: "a number", str: "a text in quotes", Path: "a path in quotes", bool: "true or false", dict: "a table {name = ...}"}
    if get_origin(hint) in (Union, types.UnionType):
        return " or ".join(_kind(choice) for choice in get_args(hint) if choice is not type(None))
    return f"a list, each entry {_kind(get_args(hint)[0])}" if get_origin(hint) is tuple else words[hint]


def listed(words: Iterable[str]) -> str:
    """Words for a message: "a, b, c"."""
    return ", ".join(words)
