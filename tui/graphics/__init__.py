"""Pictures in real pixels: the protocols of terminals, from pixels to escape sequences and back off the screen."""
