"""What a caption's words are worth while patches of the picture are removed, or shown, one after the other.

*Deletion* starts from the whole picture and removes patches in a given order, *insertion* starts from nothing and shows
them in that order. After each step the captioner is asked again for the probability of the very same caption, by
teacher forcing. If the order began with the patches that a word hangs on, its probability falls at once in deletion and
rises at once in insertion.

Patches are removed from the model's own input, after resizing and cropping: there they are whole.

Source: Petsiuk, Das and Saenko 2018, "RISE: Randomized input sampling for explanation of black-box models", 3.4; there
for the class of a picture, here for each word.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from torch import Tensor

from ..captioner import Captioner

Fill = Literal["mean", "blur"]
Score = Callable[[UInt8[Tensor, "variant height width 3"]], Float[Tensor, "variant token"]]
"""Log-probabilities of one caption's tokens, given variants of its picture."""


def teacher(captioner: Captioner, caption: Sequence[int]) -> Score:
    """Ask a captioner for the log-probabilities of one caption's tokens (generated ids, without ``[BOS]``)."""
    tokenizer = captioner.tokenizer
    targets = torch.tensor(caption, device=captioner.device)
    inputs = torch.cat([targets.new_tensor([tokenizer.bos_id]), targets[:-1]])

    def score(pixels: UInt8[Tensor, "variant height width 3"]) -> Float[Tensor, "variant token"]:
        memory = captioner.encode(captioner.preprocess.normalise(pixels))
        logits = captioner.decoder(memory.tokens, inputs.expand(len(pixels), -1))
        found: Tensor = captioner.log_probs(logits).gather(-1, targets.expand(len(pixels), -1)[:, :, None])
        return found[:, :, 0]

    return score


def removed(pixels: NDArray[np.uint8], grid: tuple[int, int], fill: Fill) -> NDArray[np.uint8]:
    """The picture with all patches removed: its mean colour, or itself so blurred that a patch is one colour."""
    if fill == "mean":
        colour = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
        return np.broadcast_to(colour, pixels.shape).copy()
    radius = max(pixels.shape[0] / grid[0], pixels.shape[1] / grid[1])
    return np.array(Image.fromarray(pixels).filter(ImageFilter.GaussianBlur(radius)))


def step_counts(patches: int, steps: int) -> Int[np.ndarray, " step"]:
    """How many patches have been removed after each step: from 0 to all, about evenly, no number twice."""
    return np.unique(np.linspace(0, patches, steps + 1).round().astype(np.int64))


@torch.inference_mode()
def follow(
    score: Score,
    pixels: NDArray[np.uint8],
    grid: tuple[int, int],
    orders: Int[np.ndarray, "order patch"],
    counts: Int[np.ndarray, " step"],
    *,
    fill: Fill = "mean",
    batch: int = 64,
    device: torch.device | None = None,
) -> Float[np.ndarray, "order way step token"]:
    """Log-probabilities of a caption's tokens along each order, way 0 deletion, way 1 insertion.

    Args:
        score: the captioner and its caption.
        pixels: the model's input before normalisation, ``[height, width, 3]``.
        grid: (rows, cols) of patches.
        orders: permutations of the patches (row by row), the most important first.
        counts: patches removed or shown at each step, ascending, from none to all (`step_counts`).
        fill: what takes the place of removed patches.
        batch: variants of the picture at once.
        device: where `score` wants them.
    """
    place = np.argsort(orders, axis=1)  # of each patch in its order
    gone = place[:, None, :] < counts[None, :, None]  # [order, step, patch]
    # Both ends of both ways are the same two pictures for all orders.
    middle = gone[:, 1:-1].reshape(-1, orders.shape[1])
    ends = np.stack([np.zeros(orders.shape[1], np.bool_), np.ones(orders.shape[1], np.bool_)])
    whole = torch.from_numpy(pixels).to(device)
    empty = torch.from_numpy(removed(pixels, grid, fill)).to(device)
    patch = _patch_of_pixel(pixels.shape[:2], grid).to(device)
    masks = torch.from_numpy(np.concatenate([ends, middle, ~middle])).to(device)
    rows = [score(_without(whole, empty, part[:, patch])) for part in masks.split(batch)]
    found = torch.cat(rows).double().cpu().numpy()
    middles = found[2:].reshape(2, len(orders), len(counts) - 2, found.shape[-1])  # way, order, step, token
    intact, nothing = (np.broadcast_to(end, (len(orders), 1, len(end))) for end in found[:2])
    ways = [
        np.concatenate([intact, middles[0], nothing], axis=1),
        np.concatenate([nothing, middles[1], intact], axis=1),
    ]
    return np.stack(ways, axis=1)


def area(
    curve: Float[np.ndarray, "*rest step word"], counts: Int[np.ndarray, " step"]
) -> Float[np.ndarray, "*rest word"]:
    """Mean height of curves over the share of patches, by the trapezoidal rule."""
    found: NDArray[np.float64] = np.trapezoid(curve, counts / counts[-1], axis=-2)
    return found


def _without(
    whole: UInt8[Tensor, "height width 3"], empty: UInt8[Tensor, "height width 3"], gone: Bool[Tensor, "n height width"]
) -> UInt8[Tensor, "n height width 3"]:
    return torch.where(gone[..., None], empty, whole)


def _patch_of_pixel(size: tuple[int, ...], grid: tuple[int, int]) -> Int[Tensor, "height width"]:
    """Which patch, row by row, each pixel of the model's input belongs to."""
    height, width = size
    rows, cols = (torch.arange(side) * cells // side for side, cells in ((height, grid[0]), (width, grid[1])))
    return rows[:, None] * grid[1] + cols[None, :]
