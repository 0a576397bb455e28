"""The supervisor's directory: where its socket, key, journal and lock are, and who may look inside."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from supervisor.errors import QueueUnavailableError, SettingsError

DEFAULT = ".supervisor"
VARIABLE = "SUPERVISOR_DIR"


class Directory:
    """The paths in one supervisor's directory."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path).absolute()
        self.socket = self.path / "queue.sock"
        self.control = self.path / "control.sock"
        self.key = self.path / "key"
        self.journal = self.path / "journal.db"
        self.lock = self.path / "lock"
        self.start_lock = self.path / "start.lock"
        self.owners = self.path / "owners"
        self.payloads = self.path / "payloads"
        self.guardian_lock = self.path / "guardian.lock"

    @classmethod
    def find(cls, path: str | os.PathLike[str] | None = None) -> Directory:
        """The directory that was named, or that ``$SUPERVISOR_DIR`` names, or ``./.supervisor``."""
        return cls(path or os.environ.get(VARIABLE) or DEFAULT)

    def __str__(self) -> str:
        return str(self.path)

    def prepare(self, owner: tuple[int, int] | None = None) -> None:
        """Make what is missing, for our eyes only, and give it to ``owner`` (uid, gid) if one is named.

        Raises SettingsError when it cannot be made, or exists and others can look inside, or is somebody else's.
        """
        try:
            self._prepare(owner)
        except OSError as error:
            where = f" ({error.filename})" if error.filename not in (None, str(self.path)) else ""
            raise SettingsError([f"{self.path} cannot be used: {error.strerror}{where}; choose another dir"]) from error

    def _prepare(self, owner: tuple[int, int] | None) -> None:
        theirs = owner if owner is not None and os.geteuid() == 0 else None
        for path in (self.path, self.owners, self.payloads):
            if _make_folder(path) and theirs:  # only what we made: a wrong path must not give away what is there
                os.chown(path, *theirs)
        for path in (self.start_lock, self.guardian_lock, self.lock):
            if _make_file(path) and theirs:
                os.chown(path, *theirs)
        self.check(owner[0] if owner else os.geteuid())
        if not self.key.exists():
            self._make_key(theirs)

    def check(self, uid: int) -> None:
        """SettingsError unless the directory is closed to others and belongs to ``uid`` (or we are root)."""
        found = self.path.stat()
        mode = stat.S_IMODE(found.st_mode)
        if mode & 0o077:
            raise SettingsError([f"{self.path} is open to other users (mode {mode:04o}); run: chmod 0700 {self.path}"])
        if uid == 0:
            return
        for path in filter(Path.exists, (self.path, self.key, self.lock, self.journal)):
            if path.stat().st_uid != uid:
                raise SettingsError(
                    [
                        f"{path} belongs to uid {path.stat().st_uid}, not to the supervisor's uid {uid}: choose"
                        f" another dir, or run: chown -R {uid} {self.path}"
                    ]
                )

    def _make_key(self, owner: tuple[int, int] | None) -> None:
        temporary = self.path / f".key.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            if owner is not None:
                os.fchown(file.fileno(), *owner)
        try:
            os.link(temporary, self.key)  # whoever links first wins; the key is never seen half written
        except FileExistsError:
            pass
        finally:
            temporary.unlink()

    def read_key(self) -> bytes:
        """The key that clients prove; QueueUnavailableError when it cannot be read."""
        try:
            return self.key.read_bytes()
        except OSError as error:
            raise QueueUnavailableError(str(self.path), f"its key cannot be read ({error.strerror})") from error


def _make_folder(path: Path) -> bool:
    """Make a folder that only its owner may enter; whether it was missing."""
    try:
        path.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        return False
    return True


def _make_file(path: Path) -> bool:
    """Make an empty file that only its owner may open; whether it was missing."""
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    return True
