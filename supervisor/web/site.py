"""What all routes of one dashboard have in common."""

from __future__ import annotations

from supervisor.directory import Directory
from supervisor.web.access import Access
from supervisor.web.audit import Audit
from supervisor.web.backend import Backend
from supervisor.web.options import Options
from supervisor.web.tokens import Tokens


class Site:
    """One dashboard on one supervisor."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.directory = Directory.find(options.dir)
        self.tokens = Tokens(self.directory, options)
        self.access = Access(options, self.tokens)
        self.audit = Audit(self.directory)
        self.backend = Backend(self.directory)
