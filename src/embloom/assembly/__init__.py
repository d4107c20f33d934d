"""From yaml to objects: what can be selected, how it is composed, checked, built and wired."""
