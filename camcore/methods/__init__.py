"""Class activation maps as pure functions of NumPy arrays."""
