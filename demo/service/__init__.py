"""What the page and the endpoints for programs share."""
