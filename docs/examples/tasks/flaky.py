"""A task that fails twice and then succeeds, as tasks that need the network do."""

from supervisor import current_task, task

FAILURES = 2


@task(name="flaky", timeout=3, max_retries=3, retry_delay=1.5)
def try_again() -> str:
    """Fail at the first two attempts."""
    return attempt(current_task().attempt)


def attempt(number: int) -> str:
    """Fail, or say at which attempt it went well."""
    if number <= FAILURES:
        raise ConnectionError(f"the other side hung up on attempt {number}")
    return f"It went well at attempt {number}."
