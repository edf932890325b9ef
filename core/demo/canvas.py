"""The brush of the backgrounds: a picture being painted and the strokes that all places share.

Contract: a `Canvas` takes all chance from its generator, so that the same strokes with the same
generator state paint the same picture.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

Colour = tuple[int, int, int]


class Canvas:
    """A picture being painted, with the few strokes that all places share."""

    def __init__(self, rng: np.random.Generator, width: int, height: int) -> None:
        self.rng = rng
        self.width = width
        self.height = height
        self.image = Image.new("RGB", (width, height))
        self.draw = ImageDraw.Draw(self.image)

    def uniform(self, low: float, high: float) -> float:
        """A random number between two."""
        return float(self.rng.uniform(low, high))

    def between(self, low: float, high: float) -> int:
        """A random height between two fractions of the picture's height."""
        return int(self.uniform(low, high) * self.height)

    def one_of(self, colours: tuple[Colour, ...], spread: int = 14) -> Colour:
        """One of the colours, moved a little in brightness and hue."""
        base = colours[int(self.rng.integers(len(colours)))]
        shift = int(self.rng.integers(-spread, spread + 1))
        red, green, blue = (int(np.clip(channel + shift + self.rng.integers(-6, 7), 0, 255)) for channel in base)
        return red, green, blue

    def band(self, top: int, bottom: int, upper: Colour, lower: Colour) -> None:
        """Fill the full width between two heights with a vertical gradient."""
        rows = max(1, bottom - top)
        column = np.linspace(upper, lower, rows).astype(np.uint8)[:, None, :]
        self.image.paste(Image.fromarray(column).resize((self.width, rows)), (0, top))

    def ridge(self, base: int, amplitude: float, waves: float, colour: Colour, bottom: int) -> None:
        """A wavy outline (hills, dunes, a shore) filled down to `bottom`."""
        xs = np.linspace(0.0, self.width, 33)
        phase = self.uniform(0.0, 6.28)
        heights = np.sin(xs / self.width * 6.28 * waves + phase)
        heights = heights + 0.4 * np.sin(xs / self.width * 6.28 * waves * 2.3 + 2 * phase)
        outline = [(float(x), float(base - amplitude * y)) for x, y in zip(xs, heights, strict=True)]
        self.draw.polygon([*outline, (self.width, bottom), (0, bottom)], fill=colour)

    def peaks(self, base: int, height: float, colour: Colour, cap: Colour | None) -> None:
        """Mountains with optional white caps, from right behind the line `base`."""
        for _ in range(int(self.rng.integers(2, 5))):
            centre = self.uniform(0, self.width)
            tall = height * self.uniform(0.5, 1.0)
            half = tall * self.uniform(0.9, 1.6)
            top = (centre, base - tall)
            self.draw.polygon([top, (centre + half, base), (centre - half, base)], fill=colour)
            if cap is not None:
                side, low = half * 0.3, base - tall * 0.7
                self.draw.polygon([top, (centre + side, low), (centre, low - 4), (centre - side, low)], fill=cap)

    def clouds(self, below: int, colour: Colour) -> None:
        """Up to three clouds above the line `below`."""
        for _ in range(int(self.rng.integers(0, 4))):
            x, y = self.uniform(0, self.width), self.uniform(0, below * 0.7)
            for _ in range(4):
                width = self.uniform(0.06, 0.16) * self.width
                dx, dy = self.uniform(-width, width), self.uniform(-4, 4)
                box = (x + dx - width, y + dy - width * 0.3, x + dx + width, y + dy + width * 0.3)
                self.draw.ellipse(box, fill=colour)

    def disc(self, below: int, colour: Colour) -> None:
        """A sun or a moon somewhere in the sky."""
        radius = self.uniform(0.03, 0.07) * self.height
        x, y = self.uniform(0, self.width), self.uniform(radius, max(radius + 1, below * 0.7))
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def specks(self, top: int, bottom: int, colours: tuple[Colour, ...], count: int, radius: float) -> None:
        """Strew small dots between two heights, up to `radius` large."""
        points = self.rng.uniform((0, top), (self.width, max(top + 1, bottom)), (count, 2))
        radii = self.rng.uniform(0.4, 1.0, count) * radius
        for index, ((x, y), r) in enumerate(zip(points.tolist(), radii.tolist(), strict=True)):
            self.draw.ellipse((x - r, y - r * 0.8, x + r, y + r * 0.8), fill=colours[index % len(colours)])

    def skyline(self, base: int, walls: tuple[Colour, ...], panes: tuple[Colour, ...], lit: float) -> None:
        """Buildings side by side, with windows of which the share `lit` shows a pane."""
        x = -self.uniform(0, 30)
        while x < self.width:
            wide = self.uniform(0.13, 0.3) * self.width
            top = base - self.uniform(0.45, 1.05) * base
            self.draw.rectangle((x, top, x + wide, base), fill=self.one_of(walls))
            self._windows(x, top, wide, base, panes=panes, lit=lit)
            x += wide + float(self.rng.choice((0, 0, 6)))

    def _windows(self, x: float, top: float, wide: float, base: int, *, panes: tuple[Colour, ...], lit: float) -> None:
        columns = int(self.rng.integers(2, 5))
        step = wide / (columns + 0.4)
        pane = self.one_of(panes)
        rows = np.arange(top + step * 0.4, base - step * 0.6, step * self.uniform(1.0, 1.4))
        shown = self.rng.random((len(rows), columns)) < lit
        for row, line in zip(rows.tolist(), shown.tolist(), strict=True):
            for column, on in enumerate(line):
                if on:
                    left = x + step * (column + 0.4)
                    self.draw.rectangle((left, row, left + step * 0.55, row + step * 0.6), fill=pane)

    def grain(self, top: int, bottom: int, cell: tuple[float, float], strength: int) -> None:
        """Add soft random brightness between two heights; `cell` is a grain's width and height."""
        rows = bottom - top
        if rows < 2:
            return
        shape = (int(rows / cell[1]) + 2, int(self.width / cell[0]) + 2)
        coarse = Image.fromarray(self.rng.integers(0, 256, shape, dtype=np.uint8))
        soft = np.asarray(coarse.resize((self.width, rows), Image.Resampling.BICUBIC), dtype=np.int16)
        change = ((soft - 128) * strength) >> 7
        area = np.asarray(self.image.crop((0, top, self.width, bottom)), dtype=np.int16)
        mixed = np.clip(area + change[:, :, None], 0, 255).astype(np.uint8)
        self.image.paste(Image.fromarray(mixed), (0, top))

    def soften(self, radius: float) -> None:
        """Blur what is painted so far."""
        self.image = self.image.filter(ImageFilter.BoxBlur(radius))
        self.draw = ImageDraw.Draw(self.image)
