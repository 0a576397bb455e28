"""Who may come in: what is refused before it gets into the book, since no worker could run it."""

from __future__ import annotations

import msgspec

from supervisor.errors import BadRequestError, PayloadRefusedError, UnknownHandlerError
from supervisor.settings.nearest import nearest
from supervisor.wire.call_kind import AS_JSON, NAMED, read_header
from supervisor.wire.info import Info, Known, Looked
from supervisor.wire.messages import Submission
from supervisor.wire.remote import RemoteError


class Admission:
    """Knows the names that the template registered, from the moment on that it has told them."""

    def __init__(self, terms: Info) -> None:
        self.terms = terms
        """What callers are told of how to submit."""
        self._json_only = terms.payloads == "json"
        self._known: dict[str, Known] | None = None
        self._since: dict[str, int] = {}
        """The generation of the code in which a name first was there: older workers do not know it."""

    def learn(self, known: dict[str, Known], generation: int) -> None:
        """These are the names, since the code of this generation."""
        self._since = {name: self._since.get(name, generation) for name in known}
        self._known = known

    def look(self, name: str) -> Looked | None:
        """What a name stands for; None while nobody can know."""
        if self._known is None:
            return None
        known = self._known.get(name)
        return Looked(known) if known else Looked(None, nearest(name, self._known))

    def check(self, submission: Submission) -> Submission:
        """The submission as it may come in. Raises RemoteError for one that no worker would run."""
        kind = submission.payload[:1]
        if self._json_only and kind != AS_JSON:
            raise RemoteError(PayloadRefusedError, f"a call of task {submission.name}", "its arguments are a pickle")
        if kind not in NAMED:
            return submission
        try:
            named = read_header(submission.payload)
        except ValueError as error:
            raise RemoteError(BadRequestError, f"a call of task {submission.name}: {error}") from error
        if named is None or self._known is None:
            return submission  # where nothing is known yet, the worker will see
        name = named[0]
        if name not in self._known:
            raise RemoteError(UnknownHandlerError, name, nearest(name, self._known))
        if self._since[name] > submission.generation:
            return msgspec.structs.replace(submission, generation=self._since[name])
        return submission
