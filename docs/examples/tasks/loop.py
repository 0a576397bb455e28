"""Loops without an end: in Python, in C, and in a regular expression."""

import itertools
import re

from supervisor import task


@task(name="endless-loop", timeout=3, max_retries=0)
def endless() -> None:
    """Count for ever, and let no exception end it."""
    print("Counting until someone stops me. Exceptions do not.")
    number = 0
    while True:
        try:
            while True:
                number += 1
        except BaseException as error:  # noqa: BLE001 - a bad citizen: it swallows even a cancellation
            print(f"Ignored {type(error).__name__} at {number:,}.")


@task(name="endless-c-loop", timeout=3, max_retries=0)
def endless_in_c() -> None:
    """Loop in C, which holds the GIL and looks for no signals: no handler and no other thread runs again."""
    print("Entering C code that never comes back.")
    any(itertools.repeat(False))


@task(name="catastrophic-regex", timeout=3, max_retries=0)
def backtrack() -> None:
    """Match a pattern that has more ways to fail than anyone can await; in C too, but not deaf to signals."""
    print("Matching an innocent-looking pattern.")
    re.match(r"(\w+\s?)+$", "a pattern like this one looked harmless in the review, did it not?")
