"""``hw3 convert``: a checkpoint made elsewhere (timm encoder, nn.TransformerDecoder) as a checkpoint folder of ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from ...cache.errors import UsageError
from ...cache.text import printable
from .arguments import Subparsers, add_command, cache_argument

_EXAMPLES = """examples:
  hw3 convert best.pth                                   what is in it: keys and shapes
  hw3 convert best.pth captioner/ --mapping best.toml
  hw3 convert best.pth captioner/ --mapping best.toml --set decoder.heads=12 --half

The mapping says where in the file each part is: docs/captioners.md. The file is read without running code in it.
"""


def register(subparsers: Subparsers) -> None:
    """Add the subcommand."""
    parser = add_command(
        subparsers, "convert", run, "make a checkpoint folder of a state dict that was trained elsewhere", _EXAMPLES
    )
    parser.add_argument("checkpoint", type=Path, metavar="CHECKPOINT", help=".pth or .safetensors with a state dict")
    parser.add_argument("out", type=cache_argument, nargs="?", metavar="OUT", help="its folder; without it: list keys")
    parser.add_argument("--mapping", type=Path, metavar="FILE.toml", help="where is what, and the decoder's kind")
    parser.add_argument(
        "--set", action="append", default=[], metavar="A.B=VALUE", dest="overrides", help="change one setting"
    )
    parser.add_argument("--inside", default="", metavar="NAME", help="the entry of the file to list, such as model")
    parser.add_argument("--half", action="store_true", help="write the weights in half precision")


def run(args: argparse.Namespace) -> int:
    """Convert and say what it became, or list what is in the file."""
    from ..config import build, read_toml  # noqa: PLC0415 (torch, below)
    from ..convert import Mapped, convert, read_state  # noqa: PLC0415
    from ..tokenizer import CaptionTokenizer  # noqa: PLC0415

    if args.out is None:
        for name, value in read_state(args.checkpoint, args.inside).items():
            print(f"{printable(name)}  {' x '.join(map(str, value.shape)) or 'a number'}")
        return 0
    if args.mapping is None:
        raise UsageError("give --mapping FILE.toml, which says where each part is (docs/captioners.md)")
    if args.out.exists() and any(args.out.iterdir()):
        raise UsageError(f"{args.out}: is there already; give a new folder")
    mapped = build(Mapped, read_toml(args.mapping, args.overrides))
    tokenizer = CaptionTokenizer.from_file(args.mapping.parent / mapped.tokenizer)
    state = read_state(args.checkpoint, args.inside or mapped.inside)
    captioner = convert(state, mapped, tokenizer, str(args.checkpoint))
    captioner.save(args.out, half=args.half)
    decoder = captioner.config.decoder
    count = sum(parameter.numel() for parameter in captioner.parameters())
    print(
        f"{args.out}: {mapped.encoder.name}, decoder of {decoder.layers} layers, {decoder.heads} heads, width "
        f"{decoder.width}; {count:,} parameters"
    )
    return 0
