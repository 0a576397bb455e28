"""What all routes of one dashboard have in common."""

from __future__ import annotations

import asyncio
from weakref import WeakKeyDictionary

from supervisor.directory import Directory
from supervisor.web.access import Access
from supervisor.web.audit import Audit
from supervisor.web.backend import Backend
from supervisor.web.feed import Feeds, LogFeed, OverviewFeed, ProgressFeed
from supervisor.web.figures import Observer
from supervisor.web.options import Collector, Options
from supervisor.web.prometheus import Figures
from supervisor.web.sse import Streams
from supervisor.web.tokens import Tokens


class Here:
    """What is shared by all requests of one event loop."""

    def __init__(self, backend: Backend) -> None:
        self.observer = Observer(backend)
        self.overview = OverviewFeed(self.observer)
        self.streams = Streams()
        self.logs: Feeds[str, LogFeed] = Feeds(lambda task_id: LogFeed(backend, task_id))
        self.progress: Feeds[str, ProgressFeed] = Feeds(lambda task_id: ProgressFeed(backend, task_id))


class Site:
    """One dashboard on one supervisor."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.directory = Directory.find(options.dir)
        self.tokens = Tokens(self.directory, options)
        self.access = Access(options, self.tokens)
        self.audit = Audit(self.directory)
        self.backend = Backend(self.directory)
        self.metrics: Collector = options.metrics or Figures(self.directory)
        self._here: WeakKeyDictionary[asyncio.AbstractEventLoop, Here] = WeakKeyDictionary()

    @property
    def here(self) -> Here:
        """What this event loop shares."""
        loop = asyncio.get_running_loop()
        found = self._here.get(loop)
        if found is None:
            found = self._here[loop] = Here(self.backend)
        return found
