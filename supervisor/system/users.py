"""Giving up root."""

from __future__ import annotations

import os
import pwd


def become(uid: int | None, gid: int | None) -> None:
    """Run as this user and group from now on; nothing to do where we are that already."""
    if gid is not None and gid != os.getegid():
        if os.geteuid() == 0:
            os.setgroups([gid])
        os.setgid(gid)
    if uid is not None and uid != os.geteuid():
        if os.geteuid() == 0 and uid in {entry.pw_uid for entry in pwd.getpwall()}:
            os.initgroups(pwd.getpwuid(uid).pw_name, os.getegid())
        os.setuid(uid)
