"""Former names of keyword arguments, accepted with a warning."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def accept_former_names(**new_names: str) -> Callable[[Callable[_Parameters, _Result]], Callable[_Parameters, _Result]]:
    """Let a function accept the keywords `new_names` under their former names, each with a DeprecationWarning."""

    def decorate(function: Callable[_Parameters, _Result]) -> Callable[_Parameters, _Result]:
        @wraps(function)
        def call(*arguments: _Parameters.args, **keywords: _Parameters.kwargs) -> _Result:
            for former in new_names.keys() & keywords.keys():
                new = new_names[former]
                if new in keywords:
                    raise TypeError(f"{former} is now called {new}: give one of them")
                warnings.warn(f"{former} is now called {new}", DeprecationWarning, stacklevel=2)
                keywords[new] = keywords.pop(former)
            return function(*arguments, **keywords)

        return call

    return decorate
