"""A folder of photos through the three methods: figures, and a report."""
