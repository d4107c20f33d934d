"""From one artifact to another: compressed, aligned, measured at every size."""
