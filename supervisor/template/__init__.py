"""The template: imports the application once and forks workers from that."""
