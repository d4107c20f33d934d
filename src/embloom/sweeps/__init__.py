"""Many runs from one command: what they are, how they are run, and how they are searched for."""
