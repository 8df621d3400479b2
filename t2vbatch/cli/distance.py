"""``t2vbatch distance``: FVD and FID between a finished run and a reference set."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from t2vbatch.cli.consent import AllowCode, confirm_code
from t2vbatch.cli.display import Display
from t2vbatch.cli.inspect import Output
from t2vbatch.cli.run import Json, terminal_width
from t2vbatch.errors import UsageError

if TYPE_CHECKING:
    from t2vbatch.commands.distance import DistanceResult

Reference = Annotated[
    str | None, typer.Option(metavar="PATH", help="Folder of videos, or an .npz file of saved statistics.")
]
Backbone = Annotated[
    str | None, typer.Option(metavar="PATH", help="Folder of a transformers model, or a TorchScript file.")
]
Kind = Annotated[Literal["fvd", "fid"], typer.Option(help="fvd compares videos; fid compares their frames.")]
Frames = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="fvd: the first frames of each video; fid: frames spread over each video."
    ),
]
Stride = Annotated[int, typer.Option(min=1, metavar="N", help="fvd: 2 takes every second frame, and so on.")]
Size = Annotated[
    int | None,
    typer.Option(min=1, metavar="PIXELS", help="Resize frames to a square of this side.", show_default=False),
]
Start = Annotated[
    Literal["first", "random"],
    typer.Option(help="fvd: start each clip at the first frame, or at a random one as StyleGAN-V does."),
]
Divisor = Annotated[
    Literal["n-1", "n"], typer.Option(help="Divisor of covariances; StyleGAN-V divides by n.")
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Allow a TorchScript file as backbone; it can run code.")
]
Name = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name in the summary; default: the kind.", show_default=False),
]
SaveStatistics = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write the statistics of the reference to this .npz file.")
]


def distance(
    output: Output,
    reference: Reference = None,
    backbone: Backbone = None,
    kind: Kind = "fvd",
    frames: Frames = 16,
    stride: Stride = 1,
    size: Size = None,
    start: Start = "first",
    divisor: Divisor = "n-1",
    allow_pickle: AllowPickle = False,
    name: Name = None,
    save_statistics: SaveStatistics = None,
    allow_code: AllowCode = False,
    as_json: Json = False,
) -> None:
    """Measure FVD or FID against a reference set.

    Compares the videos of each model. Without options it measures the distances that the run's job names.

    \b
    Examples:
      t2vbatch distance runs/wan --reference ucf101 --backbone i3d.pt \\
          --allow-pickle
      t2vbatch distance runs/wan --kind fid --reference ucf101 \\
          --backbone dinov2 --save-statistics ucf.npz
    """
    from t2vbatch.commands.distance import measure_output
    from t2vbatch.engines import engine_for
    from t2vbatch.job import Distance
    from t2vbatch.job.code_uses import distance_code, surroundings
    from t2vbatch.output.store import open_store

    asked: dict[str, Distance] | None = None
    if reference is not None or backbone is not None:
        asked = {
            name or kind: Distance(
                kind=kind,
                reference=_place("--reference", reference),
                backbone=_place("--backbone", backbone),
                frames=frames,
                stride=stride,
                size=size,
                start=start,
                divisor=divisor,
                allow_pickle=allow_pickle,
            )
        }
    elif save_statistics is not None:
        raise UsageError(
            "--save-statistics", "no reference", "--reference and --backbone in the same command"
        )
    job = open_store(output).read_job()
    uses = [*surroundings(job), *(distance_code(job) if asked is None else ())]
    confirm_code(output, uses, allow_code, "; --reference and --backbone name your own")
    with Display(quiet=as_json) as display:
        result = measure_output(output, asked, engine_for, display.show, save_statistics)
    _print(result, as_json)
    raise typer.Exit(0 if result.ending == "finished" else 130)


def _print(result: "DistanceResult", as_json: bool) -> None:
    from t2vbatch.analysis.summary_text import distance_notes, distance_table

    if as_json:
        models = result.summary.to_json()["models"]
        found = {model: of_model["distances"] for model, of_model in models.items()}
        typer.echo(json.dumps({"ending": result.ending, "distances": found}, ensure_ascii=False))
    else:
        typer.echo(distance_table(result.summary).render("text", terminal_width()))
        typer.echo("\n".join(distance_notes(result.summary)))


def _place(option: str, value: str | None) -> str:
    """A local path as an absolute one, because workers have another working directory; others as they are."""
    if value is None:
        raise UsageError(option, "no value", "a path: a distance needs --reference and --backbone")
    return str(Path(value).absolute()) if Path(value).exists() else value
