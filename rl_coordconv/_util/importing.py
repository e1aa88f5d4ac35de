"""Importing what a user names: ``package.module:Name``."""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

from rl_coordconv._util.errors import InputError, closest, shown

_OPEN = frozenset({"gymnasium", "stable_baselines3", "sb3_contrib", "rl_coordconv"})
"""Packages whose classes a file may name without more ado."""
_trusted: set[str] = set()

_PATH = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def is_import_path(name: str) -> bool:
    """Tell whether a name has the form ``package.module:Name``."""
    return _PATH.fullmatch(name) is not None


def import_module(kind: str, name: str, module: str) -> Any:
    """Import a module, which runs its code; as with ``python -m``, of the current directory, too.

    Args:
        kind: what is being looked for, for the error message.
        name: what the user wrote.
        module: the module's part of it.

    Raises:
        InputError: there is no such module, or importing it fails.
    """
    # Behind all other places, so that nothing there stands in for an installed package.
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        hint = "" if error.name == module.partition(".")[0] else f" (it needs {error.name!r})"
        raise InputError(
            f"{kind} {shown(name)}: no module {error.name!r} to import{hint}; is it installed, "
            "in the current directory, or in a folder on PYTHONPATH?"
        ) from error
    except Exception as error:
        raise InputError(
            f"{kind} {shown(name)}: importing {module!r} failed: {type(error).__name__}: {error}"
        ) from error


def import_named(kind: str, name: str) -> Any:
    """Return what ``package.module:Name`` names.

    Args:
        kind: what it is to be, for the error message.
        name: the path, see `is_import_path`.

    Raises:
        InputError: as `import_module`, or the module has nothing of that name.
    """
    module_name, _, attribute = name.partition(":")
    module = import_module(kind, name, module_name)
    if not hasattr(module, attribute):
        nearest = closest(attribute, [one for one in vars(module) if one[0] != "_"], most=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        raise InputError(f"{kind} {shown(name)}: {module_name!r} has no {attribute!r}{hint}")
    return getattr(module, attribute)


def trust(kind: str, name: str) -> None:
    """Import the module of ``module:Name``, and let files name it from now on in this process.

    Raises:
        InputError: as `import_module`.
    """
    module = name.rpartition(":")[0]
    if module:
        import_module(kind, name, module)
        _trusted.add(name)


def is_outside(name: str) -> bool:
    """Tell whether ``module:Name`` is of a package that nobody here answers for."""
    module = name.rpartition(":")[0]
    return bool(module) and module.partition(".")[0] not in _OPEN


def require_trust(kind: str, name: str) -> None:
    """Refuse code from outside that a file names and nobody has vouched for.

    Args:
        kind: what is named.
        name: ``module:Name``; a name without a module is nobody's code.

    Raises:
        InputError: `trust` has not been called for it, and it is of no package that is known here.
    """
    if is_outside(name) and name not in _trusted:
        raise InputError(
            f"{kind} {shown(name)} is code from outside rl_coordconv, named in a file: it is "
            "imported, and so run, only with --trust"
        )


def trusted_names() -> tuple[str, ...]:
    """Return every ``module:Name`` that `trust` was called for, sorted."""
    return tuple(sorted(_trusted))
