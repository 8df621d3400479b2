"""``t2vbatch judge``: a program compares the videos of models."""

import json
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from t2vbatch.cli.display import Display
from t2vbatch.cli.run import Json
from t2vbatch.errors import counted

if TYPE_CHECKING:
    from t2vbatch.commands.judge import Judgement


def judge(
    outputs: Annotated[
        list[str], typer.Argument(metavar="OUTPUT", help="Output folders of runs.", show_default=False)
    ],
    program: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="The judge: vlm_judge, or your own Python file with PEP 723 metadata."
        ),
    ],
    votes: Annotated[
        Path,
        typer.Option(metavar="FILE", help="The file of votes; the same file continues where it stopped."),
    ],
    arguments: Annotated[
        str, typer.Option(metavar="TEXT", help="Arguments of the program, as on a command line.")
    ] = "",
    limit: Annotated[
        int | None,
        typer.Option(min=0, metavar="N", help="Ask about at most N more pairs; each is two questions."),
    ] = None,
    parallel: Annotated[
        int, typer.Option(min=1, metavar="N", help="Programs that run at the same time.")
    ] = 1,
    timeout_s: Annotated[
        float, typer.Option(min=0.1, metavar="SECONDS", help="Time limit for one answer.")
    ] = 600,
    as_json: Json = False,
) -> None:
    """Let a program compare the videos of every two models.

    Each pair is asked twice, with the positions swapped. compare --votes FILE shows win rates, strengths, and
    how often the judge agrees with itself. A video that failed or is degenerate loses without a question. The
    exit code is 3 if a pair could not be judged; the same command asks about it again.

    \b
    Example:
      t2vbatch judge runs/compare --program vlm_judge --votes votes.jsonl \\
          --limit 100 --arguments "--url http://localhost:8000/v1 --model NAME"
      t2vbatch compare runs/compare --votes votes.jsonl
    """
    from t2vbatch.commands.judge import judge_outputs
    from t2vbatch.commands.judge_session import JudgeProgram

    asked = JudgeProgram(program, tuple(shlex.split(arguments)), timeout_s)
    with Display(quiet=as_json) as display:
        display.wait("reading the output")

        def begin(planned: "Judgement") -> None:
            display.wait(None)
            if not as_json:
                typer.echo(_plan(planned, program))

        def watch(finished: int) -> None:
            display.wait("judging", counted(finished, "pair"))

        result = judge_outputs(outputs, asked, votes, limit, parallel, begin, watch)
    for line in [json.dumps(_numbers(result))] if as_json else _lines(result, votes):
        typer.echo(line)
    raise typer.Exit(3 if result.failed else 0)


def _plan(planned: "Judgement", program: str) -> str:
    pairs = len(planned.pending)
    return (
        f"{counted(planned.total, 'pair')}: {planned.before:,} in the file, {len(planned.decided):,} decided"
        f" by a failed or degenerate video; asking {program} about {pairs:,}:"
        f" {counted(2 * pairs, 'question')}"
    )


def _judged(result: "Judgement") -> int:
    return len(result.pending) - sum(result.failed.values())


def _lines(result: "Judgement", votes: Path) -> Iterator[str]:
    for reason, count in result.failed.items():
        yield f"{counted(count, 'pair')} not judged: {reason}"
    saved = result.before + len(result.decided) + _judged(result)
    yield f"{counted(_judged(result), 'pair')} judged; {votes} has {saved:,} of {result.total:,}"


def _numbers(result: "Judgement") -> Mapping[str, Any]:
    return {
        "pairs": result.total,
        "before": result.before,
        "decided": len(result.decided),
        "judged": _judged(result),
        "failed": dict(result.failed),
    }
