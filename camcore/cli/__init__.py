"""The command line: `python -m camcore explain` and `python -m camcore study`."""
