"""What the keys do, one part of the screen a module. A part holds its own state; widgets only show it.

A part is a plain class that is given the app. The app routes a key ("part.verb", see `keys`), a click or a worker's
message to a method; the part changes its state, tells the widgets, and starts workers for whatever takes time.
"""
