"""The rehearsal of a Hugging Face Space: `python -m tests.space`."""
