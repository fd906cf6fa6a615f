"""People's own code: ``module:Name`` from the workspace, else from what is installed."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import threading
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from core.catalog import did_you_mean
from core.errors import ConfigError, Problem

OWN_CODE = r"[A-Za-z_][\w.]*:[A-Za-z_]\w*"
"""How ``module:Name`` is written."""
_loading = threading.RLock()


def own_code(path: str, key: str, root: Path) -> Any:
    """What ``module:Name`` stands for.

    A file of the workspace wins over an installed module of the same name: ``programs.mine`` is
    ``WORKSPACE/programs/mine.py`` where that is there. It is loaded under a name that only this workspace has, so that
    two workspaces do not see each other's code and the search path stays as it was.

    Args:
        path: ``module:Name``.
        key: The key of the task file, for the mistake.
        root: The workspace's folder.

    Raises:
        ConfigError: If the module is not there or raises while it is loaded, or has no such name, or that is None.
    """
    module_name, _, attribute = path.partition(":")
    module = _module(module_name, key, root.resolve())
    if not hasattr(module, attribute):
        known = [name for name in vars(module) if not name.startswith("_")]
        raise mistake(key, f"{path}: {module_name!r} has no {attribute!r}", did_you_mean(attribute, known))
    found = getattr(module, attribute)
    if found is None:
        raise mistake(key, f"{path} is None")
    return found


def own_text(path: str, key: str, root: Path) -> str:
    """The text of the file in which ``module:Name`` stands; empty where Python has none. Errors as :func:`own_code`."""
    try:
        return inspect.getsource(_module(path.partition(":")[0], key, root.resolve()))
    except (OSError, TypeError):
        return ""


def mistake(key: str, message: str, hint: str | None = None) -> ConfigError:
    """A mistake about a key whose place in the file is not known here."""
    return ConfigError([Problem("configuration", None, key, message, hint)])


def _module(name: str, key: str, root: Path) -> types.ModuleType:
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        raise mistake(key, f"received {name!r}; a module's name is like programs.mine")
    file = root.joinpath(*parts).with_suffix(".py")
    if not file.is_file() and (file.with_suffix("") / "__init__.py").is_file():
        file = file.with_suffix("") / "__init__.py"
    try:
        with _loading:
            if not file.is_file() or _found_by_everybody(parts[0], root):
                return importlib.import_module(name)
            with _beside(root):
                return importlib.import_module(f"{_package(root)}.{name}")
    except ModuleNotFoundError as error:
        lacking = error.name or ""
        if not file.is_file() and name.startswith(lacking):
            raise mistake(key, f"there is no module {name!r}: neither {file} nor anything installed") from None
        beside = root.joinpath(*lacking.split(".")).with_suffix(".py").is_file()
        relative = f"from .{lacking.rpartition('.')[2]} import ..."
        hint = f"an installed package has that name; write: {relative}" if beside else None
        raise mistake(key, f"{name} cannot be loaded: {error}", hint) from error
    except (Exception, SystemExit) as error:
        raise mistake(key, f"{name} cannot be loaded: {type(error).__name__}: {error}") from error


def _found_by_everybody(name: str, root: Path) -> bool:
    """Whether a plain import of this top-level name gives what the workspace has under it, as the project's programs.

    A folder that is on the search path is not enough: an installed package of that name hides the workspace's.
    """
    spec = importlib.util.find_spec(name)
    if spec is None:
        return False
    places = spec.submodule_search_locations
    found = [spec.origin] if places is None else [*places][:1]
    return any(place and Path(place).resolve() in (root / name, root / f"{name}.py") for place in found)


def _reachable(file: Path) -> bool:
    """Whether everybody in this process can import the file anyway, as the project's own programs."""
    return any(file.is_relative_to(Path(entry or ".").resolve()) for entry in sys.path)


def _package(root: Path) -> str:
    """The package whose modules are the workspace's files; made when it is first asked for."""
    name = f"workspace_{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
    if name not in sys.modules:
        package = types.ModuleType(name, f"The code of {root}.")
        package.__path__ = [str(root)]
        sys.modules[name] = package
    return name


@contextlib.contextmanager
def _beside(root: Path) -> Iterator[None]:
    """Let the workspace's modules import each other by plain names while they are loaded, and nobody afterwards."""
    package, before, path = _package(root), set(sys.modules), list(sys.path)
    sys.path.append(str(root))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if not file or name.startswith(package) or not Path(file).is_relative_to(root):
                continue
            if not _reachable(Path(file)):
                sys.modules.setdefault(f"{package}.{name}", sys.modules.pop(name))
