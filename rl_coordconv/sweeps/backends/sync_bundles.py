"""Sync bundles: a run's files, packed for machines that share no file system."""

from __future__ import annotations

import io
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path

from rl_coordconv._util.errors import InputError
from rl_coordconv._util.files import replace_all

CHECKPOINTS = "checkpoints"
STATUS = "status.json"
_BIG = (CHECKPOINTS, "model.zip", "policy.safetensors")
_EVENTS = "events.out.tfevents"


def pack(run: Path, *, whole: bool) -> bytes:
    """Pack a run's files into a sync bundle; those that are just being written are left out.

    Args:
        run: the run's directory.
        whole: whether checkpoints, model and TensorBoard events go along, or only the small files
            that tell how far the run is.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for path in sorted(run.rglob("*")):
            place = path.relative_to(run)
            is_big = place.parts[0] in _BIG or place.parts[0].startswith(_EVENTS)
            is_hidden = any(part.startswith(".") for part in place.parts)
            if is_hidden or (is_big and not whole) or path.is_symlink() or not path.is_file():
                continue
            _add(archive, path, place.as_posix())
    return buffer.getvalue()


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    """Add a file as it is at one moment: it may be growing, or about to be replaced or dropped."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o644
    archive.addfile(member, io.BytesIO(content))


def _extract(bundle: bytes, folder: Path) -> None:
    try:
        with tarfile.open(fileobj=io.BytesIO(bundle), mode="r:gz") as archive:
            archive.extractall(folder, filter=_inside)
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise InputError(f"a sync bundle is damaged: {error}") from error


def _inside(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Let files and folders through that stay in the folder; no links, devices or pipes."""
    if not (member.isfile() or member.isdir()):
        raise tarfile.SpecialFileError(member)
    return tarfile.data_filter(member, folder)


def unpack(bundle: bytes, run: Path) -> None:
    """Put a sync bundle's files in the place of a run's; each file and checkpoint in one step.

    The status comes last: what it tells is there by then, also after a power cut.

    Args:
        bundle: from `pack`.
        run: the run's directory, which exists.

    Raises:
        InputError: it is damaged, or something in it would not stay in the run's directory.
    """
    # In the same directory, because a rename is atomic only within one file system.
    folder = Path(tempfile.mkdtemp(dir=run, prefix=".sync-bundle."))
    try:
        _extract(bundle, folder)
        if (folder / CHECKPOINTS).is_dir():
            _replace_checkpoints(folder / CHECKPOINTS, run / CHECKPOINTS)
        moves = [
            (path, run / path.relative_to(folder))
            for path in sorted(folder.rglob("*"))
            if path.is_file() and path.relative_to(folder).parts[0] != CHECKPOINTS
        ]
        for _, place in moves:
            place.parent.mkdir(parents=True, exist_ok=True)
        replace_all(move for move in moves if move[1].name != STATUS)
        replace_all(move for move in moves if move[1].name == STATUS)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace_checkpoints(new: Path, old: Path) -> None:
    """Add new checkpoints first, then drop those that are gone: there is always a whole one."""
    old.mkdir(exist_ok=True)
    kept = {path.name for path in new.iterdir()}
    replace_all(
        (path, old / path.name) for path in sorted(new.iterdir()) if not (old / path.name).exists()
    )
    for path in old.iterdir():
        if path.name not in kept and kept:
            shutil.rmtree(path, ignore_errors=True)
