"""How far a map can be trusted: metrics as pure functions of NumPy arrays, and the verdict."""
