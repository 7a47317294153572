"""What the page and the endpoints for programs share: models, their queue, uploads and studies."""
