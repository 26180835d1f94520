"""The entry point: finds a command, and turns whatever happens into one line and an exit code."""

from __future__ import annotations

import importlib
import os
import shlex
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import click

from perceptmetrics import __version__
from perceptmetrics.cli.exit_codes import DONE, FAILED, INTERRUPTED, PIPE_CLOSED
from perceptmetrics.cli.text import one_line
from perceptmetrics.errors import PerceptError

DEBUG = "PERCEPTMETRICS_DEBUG"
COMMAND_LINE = "perceptmetrics.command_line"

COMMANDS = {
    "score": "perceptmetrics.cli.score:score",
    "explain": "perceptmetrics.cli.explain:explain",
    "list": "perceptmetrics.cli.listing:list_names",
    "info": "perceptmetrics.cli.info:info",
    "train": "perceptmetrics.cli.train:train",
    "sweep": "perceptmetrics.cli.sweep:sweep",
    "bench": "perceptmetrics.cli.bench:bench",
    "evaluate": "perceptmetrics.cli.evaluate:evaluate",
    "export": "perceptmetrics.cli.export:export",
    "data": "perceptmetrics.cli.data:data",
    "weights": "perceptmetrics.cli.weights:weights",
}


class LazyGroup(click.Group):
    """A group that imports a command when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a new user needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Imports the command's module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), name)
        return command if isinstance(command, click.Command) else None

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keeps what was typed: a run folder records it."""
        ctx.meta[COMMAND_LINE] = shlex.join(["perceptmetrics", *args])
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Handles what click itself would answer less well."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)
        except BrokenPipeError:
            # Who read our output has left (`| head`). Python would complain when it closes it.
            with open(os.devnull, "w") as nowhere:  # noqa: PTH123
                os.dup2(nowhere.fileno(), sys.stdout.fileno())
            ctx.exit(PIPE_CLOSED)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 all done; 1 some images or files failed and the rest was done; 2 wrong "
    "usage, or nothing could be done; 130 interrupted. PERCEPTMETRICS_DEBUG=1 shows tracebacks.",
)
@click.version_option(__version__)
def cli() -> None:
    """Judge images as people do: quality, memorability, emotion, beauty."""


def main(args: Sequence[str] | None = None) -> None:
    """Runs the command line and ends the process.

    Every error is one line on standard error. An error that is not ours is a bug: the line says
    how to see its traceback.

    Args:
        args: What follows the program's name; the process's own when ``None``.

    Raises:
        SystemExit: Always; its code is 0, 1, 2, 130 or 141.

    Example:
        >>> main(["info", "memorabilty"])
        Traceback (most recent call last):
        ...
        SystemExit: 2
    """
    debug = bool(os.environ.get(DEBUG))
    with warnings.catch_warnings():
        if not debug:
            warnings.showwarning = _show_warning
        sys.exit(_run(args, debug))


def _run(args: Sequence[str] | None, debug: bool) -> int:
    # A file's name may hold what the terminal's encoding has not.
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args, prog_name="perceptmetrics", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("interrupted", err=True)
        return INTERRUPTED
    except PerceptError as error:
        if debug:
            raise
        click.echo(f"error: {one_line(str(error))}", err=True)
        return FAILED
    except Exception as error:  # the last line of defence; nothing is swallowed
        if debug:
            raise
        click.echo(
            f"error: {type(error).__name__}: {one_line(str(error)) or 'no message'} (unexpected; "
            f"{DEBUG}=1 shows where, and a report of it is welcome)",
            err=True,
        )
        return FAILED
    return code if isinstance(code, int) else DONE


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    click.echo(f"warning: {one_line(str(message))}", err=True)
