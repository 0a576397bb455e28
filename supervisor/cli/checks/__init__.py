"""What ``supervisor check`` looks at: one module a subject, each a function that gives its findings."""
