"""Packages that import a module on first access to one of its names (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(
    package: str, exports: Mapping[str, Sequence[str]], submodules: Sequence[str] = ()
) -> Callable[[str], Any]:
    """The `__getattr__` of a package.

    Args:
        package: Name of the package.
        exports: Names the package exports, by the module that defines them.
        submodules: Modules of the package that are attributes of it.
    """
    module_of = {name: module for module, names in exports.items() for name in names}

    def attribute(name: str) -> Any:
        if name in module_of:
            return getattr(import_module(module_of[name]), name)
        if name in submodules:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return attribute
