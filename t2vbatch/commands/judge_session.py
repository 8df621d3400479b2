"""A judge at work: programs that answer questions about pairs, and the file that gets their votes."""

import json
import os
import queue
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from t2vbatch.canonical import digest
from t2vbatch.commands.judge_inputs import RowInputsReader
from t2vbatch.commands.judge_pairs import Side, VideoPair
from t2vbatch.errors import EncodeError, RowError, RunError, UsageError
from t2vbatch.media.video import Video, decode, decode_audio
from t2vbatch.metrics.command import video_files
from t2vbatch.metrics.process import RunningProgram, start
from t2vbatch.metrics.program_file import ProgramFile, find_program
from t2vbatch.metrics.protocol import ArgumentsError, ProgramError, UnscorableError
from t2vbatch.output.store import open_store

_FAILURES_IN_A_ROW = 5
"""After this many failures of the program without a success, the command stops: an endpoint is down, or a key
is wrong, and each further question would cost time and change nothing."""

_SHARES = {"a": 1.0, "b": 0.0, "tie": 0.5}


@dataclass(frozen=True)
class JudgeProgram:
    """A program that compares two videos.

    Attributes:
        program: its name or path.
        timeout_s: the time limit for one answer.
    """

    program: str
    arguments: tuple[str, ...] = ()
    timeout_s: float = 600.0

    def file(self) -> ProgramFile:
        """The program. Raises UsageError if it does not exist or compares no pairs."""
        try:
            file = find_program(self.program)
        except ValueError as error:
            raise UsageError(f"--program {self.program}", "no such program", str(error)) from None
        if not file.pairs:
            raise UsageError(
                f"--program {self.program}",
                "a program that scores single videos only",
                "one that compares two videos (pairs = true in its metadata), such as vlm_judge",
            )
        return file

    def settings(self) -> str:
        """A digest of program and arguments: votes with different settings do not share a file."""
        return digest([self.file().path.read_text(encoding="utf-8"), list(self.arguments)])[:12]


class VoteWriter:
    """Appends votes to the file, each of them whole and on the disk before the next question."""

    def __init__(self, file: IO[bytes], judge: JudgeProgram) -> None:
        self._file, self._lock = file, threading.Lock()
        self._own = {"judge": judge.file().name, "settings": judge.settings()}

    def add(self, pair: VideoPair, result: Mapping[str, Any]) -> None:
        """Write the vote on a pair: ``answers`` to both questions, or ``p_left`` without a question."""
        answers = result.get("answers", [result["p_left"]])
        # A judge that changes its mind with the positions has no winner.
        sides = {(answer > 0.5) - (answer < 0.5) for answer in answers}
        winner = {1: pair.left.model, -1: pair.right.model, 0: None}[sides.pop() if len(sides) == 1 else 0]
        line = {
            "row_id": pair.row_id,
            "seed": str(pair.seed),  # As the report writes it: JavaScript rounds large numbers.
            "left": pair.left.model,
            "right": pair.right.model,
            "winner": winner,
            **result,
            **self._own,
        }
        with self._lock:
            self._file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())


class Session:
    """Asks about pairs with several programs at the same time."""

    def __init__(
        self, judge: JudgeProgram, pairs: Sequence[VideoPair], votes: VoteWriter, watch: Callable[[int], None]
    ) -> None:
        self._judge, self._votes, self._watch = judge, votes, watch
        self._queue: queue.SimpleQueue[VideoPair] = queue.SimpleQueue()
        for pair in pairs:
            self._queue.put(pair)
        self._count, self._lock, self._stop = len(pairs), threading.Lock(), threading.Event()
        self._finished = self._in_a_row = 0
        self._failed: Counter[str] = Counter()
        self._programs: set[RunningProgram] = set()
        self._inputs = RowInputsReader(judge.file())

    def run(self, parallel: int) -> Mapping[str, int]:
        """Ask about all pairs; the number of failed pairs by reason.

        Raises:
            UsageError: the program refuses its arguments.
            RunError: the program does not start, or keeps failing.
        """
        with ThreadPoolExecutor(min(parallel, self._count) or 1) as threads:
            try:
                for result in [threads.submit(self._work) for _ in range(min(parallel, self._count))]:
                    result.result()
            except BaseException:
                # Ctrl-C, or one thread that stopped: the others must not wait for their answers.
                self._stop.set()
                for program in list(self._programs):
                    program.stop()
                raise
        return dict(self._failed)

    def _work(self) -> None:
        program: RunningProgram | None = None
        try:
            while not self._stop.is_set():
                try:
                    pair = self._queue.get_nowait()
                except queue.Empty:
                    return
                if program is None or not program.alive():
                    program = self._started()
                self._judge_pair(program, pair)
        finally:
            if program is not None:
                program.close()

    def _started(self) -> RunningProgram:
        try:
            program = start(None, self._judge.program, self._judge.arguments)
        except ProgramError as error:
            raise RunError(str(error)) from None
        self._programs.add(program)
        return program

    def _judge_pair(self, program: RunningProgram, pair: VideoPair) -> None:
        try:
            first, second = _answers(program, pair, self._inputs, self._judge)
            self._votes.add(pair, {"p_left": (first + second) / 2, "answers": [first, second]})
        except ArgumentsError as error:
            expected = "the arguments of the program; its file describes them"
            raise UsageError("--arguments", str(error), expected) from None
        except (ProgramError, UnscorableError, EncodeError, FileNotFoundError, RowError) as error:
            self._note_failure(str(error), isinstance(error, ProgramError))
        else:
            with self._lock:
                self._in_a_row = 0
        with self._lock:
            self._finished += 1
            finished = self._finished
        self._watch(finished)

    def _note_failure(self, reason: str, of_program: bool) -> None:
        with self._lock:
            self._failed[reason] += 1
            self._in_a_row += of_program
            if self._in_a_row < _FAILURES_IN_A_ROW or self._stop.is_set():
                return
            self._stop.set()
        raise RunError(
            f"{self._in_a_row} pairs in a row could not be judged: {reason}. Finished votes are in the file;"
            " fix the problem and run the same command again"
        )


def _answers(
    program: RunningProgram, pair: VideoPair, inputs: RowInputsReader, judge: JudgeProgram
) -> tuple[float, float]:
    """The shares of the left video, shown first and shown second."""
    audio = judge.file().audio
    with tempfile.TemporaryDirectory(prefix="t2vbatch-") as name:
        folder = Path(name)
        left, right = (
            video_files(_decoded(side, audio), folder, label, audio)
            for side, label in ((pair.left, "left"), (pair.right, "right"))
        )
        row = {"prompt": pair.prompt, **inputs.request(pair, folder)}
        shown_first = _share(program, {"a": left, "b": right, **row}, judge.timeout_s)
        shown_second = _share(program, {"a": right, "b": left, **row}, judge.timeout_s)
    return shown_first, 1 - shown_second


def _decoded(side: Side, audio: bool) -> Video:
    """The video as its file has it, with its sound if ``audio`` asks for it."""
    with open_store(side.output).video(str(side.video)) as path:
        video = Video(decode(path).frames, side.fps or 8.0)
        if not audio or not side.has_sound:
            return video
        return replace(video, audio=decode_audio(path, video.duration_s))


def _share(program: RunningProgram, request: Mapping[str, Any], timeout_s: float) -> float:
    """The probability that the first video is better, from a preference or a probability."""
    answer = program.ask(request, timeout_s, same_id=True)
    if ("preference" in answer) == ("probability" in answer):
        raise ProgramError(f"the judge answered {dict(answer)}; expected preference or probability")
    if "preference" in answer:
        if answer["preference"] not in _SHARES:
            raise ProgramError(
                f"the judge answered preference {answer['preference']!r}; expected a, b or tie"
            )
        return _SHARES[answer["preference"]]
    found = answer["probability"]
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found <= 1:
        raise ProgramError(f"the judge answered probability {found!r}; expected a number from 0 to 1")
    return float(found)
