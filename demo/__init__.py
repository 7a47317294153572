"""The page: explain one photo or many in a browser, and serve the same to programs."""
