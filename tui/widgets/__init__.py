"""The panels of the browser, one a file: they show what they are given and report what was clicked."""
