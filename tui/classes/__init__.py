"""The browser of zero-shot runs: what a picture was taken for, by which prompt, and how sure CLIP was.

`view` is the run as a list, `app` the browser; the other modules are its panels, figures and plain output.
"""
