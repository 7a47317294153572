"""The endpoints for programs: their parameters, checks and responses."""
