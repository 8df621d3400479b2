"""Lets a program compare the videos of two models on each prompt and seed, and writes its answers as votes.

Each pair is asked twice, with the positions swapped. A vote is one line of the file, written when both
answers are there, so an interrupted command continues where it stopped. ``compare --votes`` reads the file.
"""

import fcntl
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from t2vbatch.analysis.consistency import Vote
from t2vbatch.analysis.votes import parse_votes
from t2vbatch.commands.judge_pairs import VideoPair, all_pairs, decision
from t2vbatch.commands.judge_session import JudgeProgram, Session, VoteWriter
from t2vbatch.errors import UsageError


@dataclass(frozen=True)
class Judgement:
    """What one call of the command will do, or did.

    Attributes:
        total: number of pairs.
        before: number of pairs that the file has already.
        decided: pairs that need no question, because exactly one of their videos failed or is degenerate.
        pending: the pairs to ask about.
        failed: reason: number of pairs that the program could not judge.
    """

    total: int
    before: int
    decided: tuple[VideoPair, ...]
    pending: tuple[VideoPair, ...]
    failed: Mapping[str, int] = field(default_factory=dict)


def judge_outputs(
    outputs: Sequence[str],
    judge: JudgeProgram,
    votes: Path,
    limit: int | None = None,
    parallel: int = 1,
    begin: Callable[[Judgement], None] = lambda judgement: None,
    watch: Callable[[int], None] = lambda finished: None,
) -> Judgement:
    """Ask the judge about every pair that the file does not have yet.

    Args:
        votes: JSON Lines; created if it does not exist.
        limit: the highest number of pairs to ask about; each is two questions.
        parallel: number of programs that run at the same time.
        begin: called before the first question.
        watch: called with the number of finished pairs, from any thread.

    Raises:
        UsageError: the outputs have no pair, the file has votes of another judge, or the program is
        unsuitable or refuses its arguments.
        RunError: the program does not start, or keeps failing; finished votes are in the file.
    """
    pairs = list(all_pairs(outputs))
    if not pairs:
        raise UsageError(
            " ".join(outputs), "no prompt and seed with videos of two models", "two models or more"
        )
    with _opened(votes) as file:
        done = _finished(file, votes, judge)
        missing = [pair for pair in pairs if pair.key not in done]
        decided = tuple(pair for pair in missing if pair.left.problem or pair.right.problem)
        pending = [pair for pair in missing if not pair.left.problem and not pair.right.problem]
        planned = Judgement(len(pairs), len(pairs) - len(missing), decided, tuple(pending[:limit]))
        begin(planned)
        writer = VoteWriter(file, judge)
        for pair in decided:
            writer.add(pair, decision(pair))
        failed = Session(judge, planned.pending, writer, watch).run(parallel)
    return Judgement(planned.total, planned.before, decided, planned.pending, failed)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file of votes, locked, at its end. A line that a crash left incomplete is cut off."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            file.seek(0)
            whole = file.read()
            file.truncate(whole.rfind(b"\n") + 1)
            yield file
    except BlockingIOError:
        raise UsageError(
            f"--votes {path}", "a file that another t2vbatch judge writes", "another file"
        ) from None
    except (PermissionError, IsADirectoryError, NotADirectoryError) as error:
        raise UsageError(
            f"--votes {path}", error.strerror or str(error), "a file that can be written"
        ) from None


def _finished(file: IO[bytes], path: Path, judge: JudgeProgram) -> set[tuple[str, int, str, str]]:
    """The pairs that the file has. Raises UsageError if it has votes of people or of another judge."""
    file.seek(0)
    votes = parse_votes(file.read().decode(errors="replace"), str(path))
    own = (judge.file().name, judge.settings())
    for vote in votes:
        if (vote.judge, vote.settings) != own:
            found = "votes of people" if vote.judge is None else f"votes of {vote.judge} with other settings"
            raise UsageError(f"--votes {path}", found, "a file of its own for each judge and its arguments")
    return {_key(vote) for vote in votes}


def _key(vote: Vote) -> tuple[str, int, str, str]:
    return vote.row_id, vote.seed, vote.left, vote.right
