"""The bundled demo world: a generator of small captioned scenes with known boxes."""
