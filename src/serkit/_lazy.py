"""Packages that import a module when one of its names is first asked for (PEP 562)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any


def lazily(
    package: str, exports: Mapping[str, Sequence[str]], submodules: Sequence[str] = ()
) -> Callable[[str], Any]:
    """A package's `__getattr__`.

    Args:
        package: Its name.
        exports: By module, the names that the package has from it.
        submodules: Those of its modules that are attributes.
    """
    module_of = {name: module for module, names in exports.items() for name in names}

    def find(name: str) -> Any:
        if name in module_of:
            return getattr(import_module(module_of[name]), name)
        if name in submodules:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return find
