"""The API reference: written from the docstrings of the public names, so that it cannot say anything else."""
