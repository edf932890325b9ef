"""Prompts: templates with a place for the class, ensembles of them, and the right article before it.

A template has `{object}` (or `{}`) where the name of the class goes: "This is a photo of {object}". Nothing else in
braces is special, and nothing of a template or a name is ever evaluated.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ...cache.errors import UsageError
from ...cache.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PLACE: Final = "{object}"
DEFAULT: Final = "A photo of a {object}."
"""The prompt of the CLIP paper (Radford et al. 2021, section 3.1.4)."""

PUBLISHED: Final = {"imagenet": "OPENAI_IMAGENET_TEMPLATES", "simple": "SIMPLE_IMAGENET_TEMPLATES"}
"""OpenAI's published ensembles, by the names that open_clip gives to them: 80 templates, and 7."""

_ARTICLE: Final = re.compile(r"\b([Aa])n?(\s+)" + re.escape(PLACE))
# A vowel is a sound, not a letter: these begin with a consonant's sound ("a unicorn", "a one-way sign") ...
_NO_VOWEL: Final = re.compile(
    r"(?:uni(?!n|m|d)|us(?:e|u|a)|ut(?:e|i|o)|ub(?:i|o)|uk|ur(?:a|e|u|i(?:n|c))|eu|ewe|one(?:\b|s)|once\b|oui)",
    re.IGNORECASE,
)
# ... and these with a vowel's ("an hour", "an heirloom").
_SILENT: Final = re.compile(r"(?:hour|hono|honest|heir)", re.IGNORECASE)
_SPELT: Final = re.compile(r"[A-Z]{2,}s?\b|[A-Za-z](?=[-\s]|$)")  # "SUV", "X-ray": letter by letter
_VOWEL_LETTERS: Final = frozenset("AEFHILMNORSX")
_VOWEL_NUMBERS: Final = re.compile(r"(?:8|1[18](?!\d)|1[18]\d{3}(?!\d))")


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """A prompt as it was asked for.

    Attributes:
        name: What it is called in tables: the template itself, or the ensemble's name.
        templates: One, or several whose text embeddings are averaged.
    """

    name: str
    templates: tuple[str, ...]

    @property
    def is_ensemble(self) -> bool:
        """Whether it is made of several templates."""
        return len(self.templates) > 1


def single(template: str) -> PromptSpec:
    """Return the prompt of one template.

    Raises:
        UsageError: It has no place for the class.
    """
    checked = _checked(template)
    return PromptSpec(checked, (checked,))


def published(name: str) -> PromptSpec:
    """Return one of OpenAI's published ensembles (see `PUBLISHED`), as the installed open_clip has it."""
    import open_clip  # noqa: PLC0415 (torch)

    templates = tuple(str(template(PLACE)) for template in getattr(open_clip, PUBLISHED[name]))
    return PromptSpec(f"{name} ensemble ({len(templates)} templates)", templates)


def together(prompts: Sequence[PromptSpec]) -> PromptSpec:
    """Return the ensemble of all templates of these prompts."""
    templates = tuple(dict.fromkeys(template for prompt in prompts for template in prompt.templates))
    return PromptSpec(f"ensemble ({len(templates)} templates)", templates)


def read_prompts(source: Path) -> list[PromptSpec]:
    """Read prompts: a text with a template a line, or json, a list of templates or ensembles by name.

    In a text, empty lines and those that begin with "#" count for nothing. In `{"mine": ["a {object}", ...]}` each
    entry is an ensemble.

    Raises:
        UsageError: The file cannot be read, has no templates, or one without a place for the class.
    """
    text = _text(source)
    if source.suffix.lower() != ".json":
        lines = (line.strip() for line in text.splitlines())
        found = [single(line) for line in lines if line and not line.startswith("#")]
    else:
        found = _from_json(text, source)
    if not found:
        raise UsageError(f"{printable(str(source))} has no prompts")
    return found


def distinct(prompts: Sequence[PromptSpec]) -> list[PromptSpec]:
    """Return the prompts in their order, each once."""
    found: dict[tuple[str, ...], PromptSpec] = {}
    for prompt in prompts:
        found.setdefault(prompt.templates, prompt)
    return list(found.values())


def fill(template: str, name: str, *, articles: bool = False) -> str:
    """Put the name of a class into a template.

    Args:
        template: With `{object}`.
        name: The class.
        articles: Make an article right before it: "a {object}" and "an {object}" become "an apple", "a dog".

    >>> fill("A photo of a {object}.", "apple", articles=True)
    'A photo of an apple.'
    """
    if articles:
        template = _ARTICLE.sub(lambda found: f"{found[1]}{'n' if takes_an(name) else ''}{found[2]}{PLACE}", template)
    return template.replace(PLACE, name)


def takes_an(name: str) -> bool:
    """Tell whether English says "an" before a name.

    By sound, as far as spelling shows it: vowels but for "unicorn", "euro", "one-way sign" and their like; "hour",
    "heir", "honest"; abbreviations letter by letter ("an SUV", "a UFO", "an X-ray"); "8", "11" and "18". A name that
    takes no article at all ("scissors", "rice") is not recognised: give it a template without one.

    >>> [name for name in ("apple", "unicorn", "umbrella", "hourglass", "house", "SUV", "UFO") if takes_an(name)]
    ['apple', 'umbrella', 'hourglass', 'SUV']
    """
    name = name.strip()
    if _VOWEL_NUMBERS.match(name) or _SILENT.match(name):
        return True
    if _SPELT.match(name):
        return name[0].upper() in _VOWEL_LETTERS
    return name[:1].casefold() in frozenset("aeiou") and not _NO_VOWEL.match(name)


def _checked(template: str) -> str:
    template = template if PLACE in template else template.replace("{}", PLACE)
    if PLACE not in template:
        raise UsageError(
            f"the prompt {printable(template)!r} has no {PLACE} where the class goes, as in 'A photo of a {PLACE}.'"
        )
    return template.encode("utf-8", "replace").decode("utf-8")


def _from_json(text: str, source: Path) -> list[PromptSpec]:
    expected = f'{printable(str(source))}: expected a list of prompts, or {{"name": ["prompt", ...], ...}}'
    try:
        content: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{printable(str(source))} is not valid json ({error})") from error
    if _are_texts(content):
        return [single(template) for template in content]
    if isinstance(content, dict) and all(_are_texts(templates) and templates for templates in content.values()):
        return _ensembles(content)
    raise UsageError(expected)


def _ensembles(content: Mapping[str, Sequence[str]]) -> list[PromptSpec]:
    return [
        PromptSpec(printable(name) or "unnamed", tuple(dict.fromkeys(_checked(template) for template in templates)))
        for name, templates in content.items()
    ]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)


def _text(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the prompts {printable(str(source))}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{printable(str(source))} is not UTF-8 text: byte {error.start} cannot be decoded") from error
