"""Where the YAML presets are: packaged in a wheel, beside the package in a clone."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from rl_coordconv._util.errors import InputError, shown, unknown_name

PACKAGE = Path(str(files("rl_coordconv"))).resolve()


def preset_directory(subpackage: str) -> Path:
    """Return the directory that holds the presets of a subpackage.

    Args:
        subpackage: ``"agents"`` or ``"envs"``.

    Raises:
        FileNotFoundError: neither the packaged nor the clone's directory exists.
    """
    packaged = PACKAGE / subpackage / "presets"
    clone = PACKAGE.parent / subpackage
    for directory in (packaged, clone):
        if directory.is_dir():
            return directory
    raise FileNotFoundError(f"no presets for {subpackage!r}: neither {packaged} nor {clone} exists")


def preset_names(subpackage: str) -> list[str]:
    """Return the names of the presets of a subpackage, sorted."""
    return sorted(path.stem for path in preset_directory(subpackage).glob("*.yaml"))


def preset_path(subpackage: str, kind: str, name_or_path: str) -> Path:
    """Find the YAML file of a preset by its name, or take a path to one's own file.

    Args:
        subpackage: ``"agents"`` or ``"envs"``.
        kind: what the file describes, for the error message: ``"agent"`` or ``"suite"``.
        name_or_path: a preset's name, or a path that ends in ``.yaml`` or ``.yml``.

    Raises:
        InputError: a path to what is no file, or whose name could not stand in a run's.
        UnknownNameError: a name without a preset; names the closest ones.
    """
    if name_or_path.endswith((".yaml", ".yml")):
        path = Path(name_or_path)
        _check_file(kind, path)
        return path
    if name_or_path not in preset_names(subpackage):
        own = next((one for ending in (".yaml", ".yml")
                    if (one := Path(name_or_path + ending)).is_file()), None)  # fmt: skip
        if own is not None:
            raise InputError(f"unknown {kind} {shown(name_or_path)}; did you mean the file {own}?")
        raise unknown_name(kind, name_or_path, preset_names(subpackage))
    return preset_directory(subpackage) / f"{name_or_path}.yaml"


def _check_file(kind: str, path: Path) -> None:
    if not str(path).isprintable():
        raise InputError(f"{kind} file {shown(str(path))} has a character that cannot be printed")
    try:
        is_file, is_there = path.is_file(), path.exists()
    except OSError as error:  # a name that is too long
        raise InputError(f"{kind} file {shown(str(path))}: {error.strerror}") from error
    if not is_file:
        reason = "is no regular file" if is_there else "does not exist"
        raise InputError(f"{kind} file {shown(str(path))} {reason}")
