"""The blocks of numbers that a restart looks through hold every unfinished task, and hardly any other."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from supervisor.core.blocks import BITS, Blocks

STEPS = st.lists(st.tuples(st.sampled_from(("new", "end", "again", "restart")), st.integers(0, 3000)), max_size=80)


@given(steps=STEPS)
def test_what_is_kept_are_the_blocks_with_unfinished_tasks_and_at_most_the_newest(
    steps: list[tuple[str, int]],
) -> None:
    blocks, kept, unfinished, last = Blocks(), set[int](), set[int](), 0
    for step, number in steps:
        if step == "new":
            last += 1 + number
            unfinished.add(last)
            blocks.take(last)
        elif step == "end" and unfinished:
            seq = sorted(unfinished)[number % len(unfinished)]
            unfinished.remove(seq)
            blocks.free(seq)
        elif step == "again" and 0 < number <= last and number not in unfinished:
            unfinished.add(number)
            blocks.take(number)
        elif step == "restart":
            blocks = Blocks()
            kept |= {number % 4}  # a salvage keeps too many
            for block in sorted(kept):
                blocks.restore(block)
            for seq in sorted(unfinished):
                blocks.take(seq)
            blocks.settle()
        for block, opened in blocks.take_moved().items():
            kept = kept | {block} if opened else kept - {block}
        holding = {seq >> BITS for seq in unfinished}
        assert holding <= kept
        assert kept - holding <= {max(kept, default=0)}
        for after, end in ((0, last), (number, last), (last, last), (0, number)):
            first = min((each for each in kept if (after + 1) >> BITS <= each <= end >> BITS), default=None)
            assert blocks.first(after, end) == first
