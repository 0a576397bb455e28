"""Where the directory lies: sockets, locks and SQLite's shared memory want a filesystem of this machine."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

from supervisor.cli.checks.finding import Finding, ok, warning
from supervisor.directory import Directory

_SUBJECT = "filesystem"
_NETWORK = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"),
        *("pvfs2", "smb2", "smb3", "smbfs", "fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone"),
        *("fuse.s3fs", "fuse.sshfs"),
    }
)
_VOLATILE = frozenset({"tmpfs", "ramfs"})


def check(directory: Directory, *, durable: bool) -> Iterator[Finding]:
    """Whether it is a network filesystem, or (where the queue is to be ``durable``) one that a reboot empties."""
    mounts = [(Path(each.mountpoint), each.fstype) for each in psutil.disk_partitions(all=True)]
    yield judge(directory, filesystem_of(directory.path.resolve(), mounts), durable=durable)


def judge(directory: Directory, kind: str, *, durable: bool) -> Finding:
    """The finding for a directory on a filesystem of this kind."""
    if kind in _NETWORK:
        return warning(
            _SUBJECT,
            f"{directory} is on a network filesystem ({kind}), where SQLite's log and locks cannot be relied on;"
            " choose a dir on a disk of this machine",
        )
    if kind in _VOLATILE and durable:
        return warning(
            _SUBJECT, f"{directory} is in memory ({kind}): a reboot empties the queue, whatever durability says"
        )
    return ok(_SUBJECT, f"{directory} is on a filesystem of this machine ({kind})")


def filesystem_of(path: Path, mounts: Iterable[tuple[Path, str]]) -> str:
    """The type of the filesystem that ``path`` is on, or will be: that of the nearest mount above it.

    Of several mounted on one place the last hides the others.
    """
    nearest, kind = Path(), "unknown"
    for mount, name in mounts:
        if path.is_relative_to(mount) and len(mount.parts) >= len(nearest.parts):
            nearest, kind = mount, name
    return kind
