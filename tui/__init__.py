"""The browser ``hw3-browse``: reads a cache, never imports torch."""
