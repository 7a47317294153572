"""From a file to an upright RGB photo, and from that to the input of the model."""
