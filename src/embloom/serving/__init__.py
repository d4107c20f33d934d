"""A trained embedding as an HTTP service: what it answers, what it refuses, and how it is run."""
