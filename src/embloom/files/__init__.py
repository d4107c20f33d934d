"""Files that are there whole or not at all, and the formats of run folders, checkpoints and vectors."""
