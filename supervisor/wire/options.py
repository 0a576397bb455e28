"""What a caller may choose for one task, as it travels and as the journal keeps it."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, Struct, UnsetType

Seconds = Annotated[float, Meta(gt=0, le=1e9)]
Count = Annotated[int, Meta(ge=0, le=1_000_000_000)]


class Options(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False, forbid_unknown_fields=True):
    """A task's own options; what is UNSET follows the settings of the supervisor that runs it."""

    timeout: Seconds | UnsetType | None = UNSET
    """Hard limit of one attempt in seconds, counted from the claim; None for none."""
    soft_timeout: Seconds | UnsetType | None = UNSET
    """Seconds after which SoftTimeoutError is raised in the task; None for never."""
    max_retries: Count | UnsetType = UNSET
    """How often a failed task runs again."""
    retry_delay: Annotated[float, Meta(ge=0, le=1e9)] | UnsetType = UNSET
    """Seconds between the first failure and the next attempt."""
    backoff: Annotated[float, Meta(ge=1, le=100)] | UnsetType = UNSET
    """What the delay is multiplied with at each further failure; 1 for a fixed delay."""
    max_delay: Annotated[float, Meta(ge=0, le=1e9)] | UnsetType = UNSET
    """Most seconds between two attempts, without the jitter."""
    retry_jitter: Annotated[float, Meta(ge=0, le=1e9)] | UnsetType = UNSET
    """Up to how many seconds are added by chance."""
    crash_budget: Annotated[int, Meta(ge=1, le=1_000_000)] | UnsetType = UNSET
    """How many attempts may end with the death of their process."""
    memory_limit: Annotated[int, Meta(gt=0)] | UnsetType | None = UNSET
    """Resident bytes over which the task is killed; None for no limit."""
    priority: Annotated[int, Meta(ge=-1_000_000, le=1_000_000)] = 0
    """Higher runs first."""
    leave_children: bool = False
    """Whether processes that the task leaves behind may live on after it succeeded."""
    queue: Annotated[str, Meta(min_length=1, max_length=100)] = "default"
    """The named queue that it waits in."""
    store_result: bool = True
    """Whether what it returns is kept."""
    result_ttl: Seconds | UnsetType = UNSET
    """Seconds for which its result is kept after its end."""
    error_handler: bool = False
    """Whether the function has a handler that is to be asked after a kill as well."""
    profile: bool | UnsetType = UNSET
    """Whether its attempts are to be profiled."""
    hidden: Annotated[tuple[Annotated[str, Meta(max_length=255)], ...], Meta(max_length=100)] = ()
    """The names of arguments that nobody is shown."""


NO_OPTIONS = Options()
