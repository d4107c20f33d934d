"""`python -m embloom`, the same as the `embloom` command."""

from embloom.cli import main

if __name__ == "__main__":
    main()
