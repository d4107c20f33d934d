"""What is done to the vectors of a layer after the encoder."""
