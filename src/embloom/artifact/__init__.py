"""What a run leaves to be reused: reading, querying and writing it, with neither Lightning nor Hydra."""
