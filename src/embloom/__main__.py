"""`python -m embloom`, the same as the `embloom` command."""

from embloom.cli import command

if __name__ == "__main__":
    command()
