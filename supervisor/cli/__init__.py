"""The command ``supervisor``: one module a command, and what they share."""
