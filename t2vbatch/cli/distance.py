"""``t2vbatch distance``: FVD and FID of a finished run against a reference set."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from t2vbatch.cli.display import Display
from t2vbatch.cli.inspect import Output
from t2vbatch.cli.run import Json
from t2vbatch.errors import UsageError

Reference = Annotated[
    str | None, typer.Option(metavar="PATH", help="Folder of videos, or an .npz of saved statistics.")
]
Backbone = Annotated[
    str | None, typer.Option(metavar="PATH", help="Folder of a transformers model, or a TorchScript file.")
]
Kind = Annotated[Literal["fvd", "fid"], typer.Option(help="fvd: of videos; fid: of their frames.")]
Frames = Annotated[
    int, typer.Option(min=1, help="fvd: each video's first ones; fid: spread over each video.")
]
Stride = Annotated[int, typer.Option(min=1, help="fvd: take every second frame, third, and so on.")]
Size = Annotated[
    int | None, typer.Option(min=1, help="Resize frames to a square of this side.", show_default=False)
]
AllowPickle = Annotated[
    bool, typer.Option("--allow-pickle", help="Let the backbone be a TorchScript file, a program.")
]
Name = Annotated[
    str | None, typer.Option(help="Its name in the summary; default: its kind.", show_default=False)
]
SaveStatistics = Annotated[
    str | None, typer.Option(metavar="FILE", help="Write the reference's statistics there, as .npz.")
]


def distance(
    output: Output,
    reference: Reference = None,
    backbone: Backbone = None,
    kind: Kind = "fvd",
    frames: Frames = 16,
    stride: Stride = 1,
    size: Size = None,
    allow_pickle: AllowPickle = False,
    name: Name = None,
    save_statistics: SaveStatistics = None,
    as_json: Json = False,
) -> None:
    """Measure FVD or FID against a reference set.

    Of each model's videos; without options, as the run's job says.

    \b
    Examples:
      t2vbatch distance runs/wan --reference ucf101 --backbone i3d.pt --allow-pickle
      t2vbatch distance runs/wan --kind fid --reference ucf101 --backbone dinov2 --save-statistics ucf.npz
    """
    from t2vbatch.analysis.summary_text import distance_notes, distance_table
    from t2vbatch.commands.distance import measure_output
    from t2vbatch.engines import engine_for
    from t2vbatch.job import Distance

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
                allow_pickle=allow_pickle,
            )
        }
    elif save_statistics is not None:
        raise UsageError("--save-statistics", "no reference to save", "--reference and --backbone beside it")
    with Display(quiet=as_json) as display:
        result = measure_output(output, asked, engine_for, display.show, save_statistics)
    if as_json:
        summary = result.summary.to_json()["models"]
        found = {model: of_model["distances"] for model, of_model in summary.items()}
        typer.echo(json.dumps({"ending": result.ending, "distances": found}, ensure_ascii=False))
    else:
        typer.echo(distance_table(result.summary).render("text"))
        typer.echo("\n".join(distance_notes(result.summary)))
    raise typer.Exit(0 if result.ending == "finished" else 130)


def _place(option: str, value: str | None) -> str:
    """A path for workers, who may stand elsewhere; a URI or hub id as it is."""
    if value is None:
        raise UsageError(option, "nothing", "a path; a distance takes --reference and --backbone")
    return str(Path(value).absolute()) if Path(value).exists() else value
