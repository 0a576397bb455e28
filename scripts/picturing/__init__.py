"""What scripts/screenshots draws."""
