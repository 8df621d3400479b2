"""The command line: reads arguments, calls the library, prints. No logic of its own.

Exit codes: 0 all samples are ok; 1 the run itself failed; 2 the command, job or manifest is wrong, and
nothing was started; 3 finished, and some samples are not ok; 130 interrupted.

Each command imports what it needs when it runs, so that ``t2vbatch --help`` does not wait for torch.
"""

import contextlib
import json
import os
import sys
from typing import Annotated

import typer

from t2vbatch import __version__
from t2vbatch.cli import catalog, certificates, distance, evaluate, exchange, inspect, judge, run, start
from t2vbatch.cli.signals import on_stop
from t2vbatch.cli.streams import secure_streams
from t2vbatch.cli.wrong_calls import PlainGroup
from t2vbatch.errors import RunError, T2VBatchError, UsageError

app = typer.Typer(
    name="t2vbatch",
    cls=PlainGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # Plain help fits a terminal of 80 columns, and reads in a log.
    context_settings={"help_option_names": ["-h", "--help"]},
)


_STARTING = frozenset({"run", "score", "distance", "judge", "demo", "reproduce"})
"""Commands that start workers: an error before that says that nothing was started."""


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"t2vbatch {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Turn a dataset of prompts and images into a dataset of videos."""


app.command()(start.demo)
app.command()(start.init)
app.command()(run.plan)
app.command()(run.run)
app.command()(inspect.status)
app.command()(inspect.failures)
app.command()(inspect.verify)
app.command()(certificates.certify)
app.command()(certificates.check)
app.command()(certificates.reproduce)
app.command()(inspect.report)
app.command()(inspect.prune)
app.command()(evaluate.score)
app.command()(distance.distance)
app.command()(judge.judge)
app.command()(evaluate.compare)
app.command()(evaluate.vbench)
app.command()(evaluate.sheet)
app.command()(exchange.export)
app.command("import-scores")(exchange.import_scores)
app.command()(exchange.track)
catalog.manifest_app.command("import")(exchange.import_manifest)
app.add_typer(catalog.manifest_app, name="manifest")
app.command()(catalog.models)
app.command()(catalog.metrics)
app.command()(catalog.doctor)


def command() -> None:
    """``main`` for a process of its own.

    The process ends without Python's finalization, in which a thread of pyarrow 26 sometimes aborts the
    process: a nightly job would take exit code 134 for a failed run. Everything is on the disk by then.
    """
    code: int | str | None = 0
    secure_streams()
    try:
        main()
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code
    except OSError as error:
        code = _unwritten(error)
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    """Run the command line and exit. Users get no traceback for their own errors, nor for a full disk."""
    # Without torchvision, transformers prints a page of advice that is meant for programmers.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    # Arrow's own pool keeps megabytes for each thread that used it; with the system's a run of 20,000 samples
    # takes 40 MB less, in the same time. Arrow reads this when it is imported.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    try:
        with on_stop(_stop):
            app()
    except UsageError as error:
        _fail(error, 2)
    except RunError as error:
        _fail(error, 1)
    except OSError as error:
        sys.exit(_unwritten(error))


def _stop(reason: str) -> None:
    """A signal outside an engine: Typer turns the exception into exit code 130 and prints nothing."""
    print(f"{reason}; finished videos are kept, and the same command continues", file=sys.stderr)
    raise KeyboardInterrupt


def _unwritten(error: OSError) -> int:
    """Report an error of the system that no command expects, such as a full disk below stdout."""
    place = f"{error.filename}: " if error.filename else "the result cannot be written: "
    print(f"error: {place}{error.strerror or error}", file=sys.stderr)
    return 1


def _fail(error: T2VBatchError, code: int) -> None:
    from t2vbatch.job.secrets import redacted

    message = redacted(str(error))
    if "--json" in sys.argv:
        print(json.dumps({"error": type(error).__name__, "message": message}))
    starting = code == 2 and not _STARTING.isdisjoint(sys.argv[1:2])
    print(f"{'not started' if starting else 'error'}: {message}", file=sys.stderr)
    sys.exit(code)
