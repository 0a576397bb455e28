"""Each module is one of what is compared: its tasks, how they go in, and what works on them."""
