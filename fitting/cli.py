"""The command line: ``python -m fitting``. PyTorch is imported only by the commands that need it."""

import logging
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import terminal
from .data.bodies import describe_model, find_models, is_model, load_default_body
from .data.bodies.export import export_body
from .data.conversion import convert_keypoints
from .data.preset import list_presets, load_preset, read_preset
from .data.report import write_report
from .data.result import FitResult
from .data.tracks import KeypointTrack, person_of, read_tracks
from .errors import ConventionError, FitCancelled, FittingError, ResultError

app = typer.Typer(
    help="Fits SMPL bodies to 3D keypoint tracks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _argument(text: str, metavar: str) -> Any:
    return typer.Argument(help=text, metavar=metavar, show_default=False)


def _option(text: str, metavar: str, *names: str, show_default: bool = False) -> Any:
    return typer.Option(*names, help=text, metavar=metavar, show_default=show_default)


Take = Annotated[Path, _argument("File of 3D keypoints, of any format that can be read.", "TAKE")]
Person = Annotated[int | None, _option("Which person of the file, counted from 0.", "N")]
Fps = Annotated[float | None, _option("Frames per second, where the file has none or a wrong one.", "NUMBER")]
Units = Annotated[str | None, _option("m, cm, mm, inch, or the metres per unit, where it is guessed wrongly.", "UNIT")]
UpAxis = Annotated[str | None, _option("x, y, z, -x, -y or -z, where it is guessed wrongly.", "AXIS")]
NamesOf = Annotated[str | None, _option("Convention of the keypoints, where it is guessed wrongly.", "NAME", "--convention")]


@app.command()
def fit(
    take: Take,
    *,
    preset: Annotated[str, _option("Name of a preset, or a JSON or Python file.", "NAME|FILE", show_default=True)] = "smplify",
    body: Annotated[Path | None, _option('File or folder of a body model, or "anny"; by default our own body.', "FILE")] = None,
    gender: Annotated[str | None, _option("neutral, male or female; by default that of the preset.", "GENDER")] = None,
    person: Person = None,
    device: Annotated[str, _option("auto, cpu, cpu-plain, cuda, cuda:1, mps.", "DEVICE", show_default=True)] = "auto",
    fps: Fps = None,
    units: Units = None,
    up_axis: UpAxis = None,
    convention: NamesOf = None,
    output: Annotated[Path | None, _option("The result; by default TAKE.fit.npz in this folder.", "RESULT.npz", "--output", "-o")] = None,
    report: Annotated[Path | None, _option("Folder for report.json and residuals.csv.", "DIR")] = None,
    still: Annotated[bool, typer.Option("--still", help="Fit a take of one frame, as a single pose.")] = False,
) -> None:
    """Fit a body to a take."""
    try:
        output = output or Path(f"{take.stem}.fit.npz" if person is None else f"{take.stem}.person{person}.fit.npz")
        _check_output(output)
        track = _read_person(take, person, fps=fps, units=units, up_axis=up_axis, convention=convention)
        checked = load_preset(preset)
        if not still:
            track.require_motion("Add --still to fit it as a single pose.")
        terminal.show_track(track)
        from .api import fit as run_fit  # noqa: PLC0415 - PyTorch, only when all that is cheap has been checked

        with terminal.progress() as show:
            result = run_fit(track, preset=checked, body=body, gender=gender, device=device, on_progress=show)
    except KeyboardInterrupt as error:
        raise FitCancelled from error
    if result.body["name"] == "anny":
        result = _with_person(result, output)
    result.save(output)
    terminal.show_result(result, already_shown=track.decisions)
    terminal.say(f"Result: {output}")
    if report is not None:
        terminal.say(f"Report: {', '.join(map(str, write_report(result, report)))}")


@app.command()
def info(
    file: Annotated[Path, _argument("File of 3D keypoints, or of a body model (.pkl, .npz, or a folder of them).", "TAKE|MODEL")],
    *,
    fps: Fps = None,
    units: Units = None,
    up_axis: UpAxis = None,
    convention: NamesOf = None,
) -> None:
    """Show what a file holds, and what was found out about it."""
    if is_model(file):
        for path in [model.path for model in find_models(file)] or [file]:
            terminal.show_model(describe_model(path))
        return
    tracks = read_tracks(file, fps=fps, units=units, up_axis=up_axis, convention=convention)
    for number, track in enumerate(tracks):
        terminal.show_track(track, f"person {number}: " if len(tracks) > 1 else "", with_decisions=number == 0)
    terminal.show_keypoints(tracks)


@app.command()
def convert(
    take: Take,
    out: Annotated[Path, _argument("The .npz file to write.", "OUT")],
    *,
    to: Annotated[str | None, _option("Convention of the keypoints to write, for example smpl or coco.", "CONVENTION")] = None,
    approximate: Annotated[bool, typer.Option(help="Also take keypoints at about the same place on the body.")] = False,
    person: Person = None,
    fps: Fps = None,
    units: Units = None,
    up_axis: UpAxis = None,
    convention: NamesOf = None,
) -> None:
    """Write a take as .npz: metres, y up, the names of a convention."""
    _check_output(out)
    track = _read_person(take, person, fps=fps, units=units, up_axis=up_axis, convention=convention)
    if to is not None:
        names = ", ".join(track.names[:6])
        track = convert_keypoints(track, to, approximate=approximate)
        if not track.observed.any():
            raise ConventionError(
                f"The convention {to!r} has none of the keypoints that {take.name!r} observes ({names}, ...).", "Try --approximate."
            )
    track.save(out)
    terminal.show_track(track)
    terminal.say(f"{int(track.observed.any(0).sum())} of {track.n_keypoints} keypoints are observed.")
    terminal.say(f"Written: {out}")


@app.command()
def presets() -> None:
    """List the presets."""
    terminal.show_presets([load_preset(path) for path in list_presets().values()])


@app.command()
def check(preset: Annotated[str, _argument("Name of a preset, or a JSON or Python file.", "PRESET")]) -> None:
    """Check a preset or a config, and explain what it will do."""
    checked, warnings = read_preset(preset)
    try:
        from .registrant import build_registrant  # noqa: PLC0415 - PyTorch
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        terminal.say("Arguments of losses and of the optimizer are not checked: this Python has no PyTorch.")
    else:
        config = {"body_model": {}, "optimizer": {}, **checked.to_dict()}
        config.pop("description", None)
        quiet = logging.Logger("check", logging.ERROR)  # its warnings are shown with the others
        build_registrant({**config, "device": "cpu", "logger": quiet})
    terminal.show_stages(checked, warnings)


@app.command(name="export-body")
def export_default_body(
    folder: Annotated[Path, _argument("Folder of model files, as the package smplx lays it out.", "FOLDER")],
    *,
    type_: Annotated[str, _option("smpl, smplh or smplx.", "TYPE", "--type", show_default=True)] = "smplx",
    gender: Annotated[str, _option("neutral, male or female.", "GENDER", show_default=True)] = "neutral",
) -> None:
    """Write the default body as a model file for programs that read those of SMPL."""
    terminal.say(f"Written: {export_body(load_default_body(gender, type_), folder)} (CC0)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Args:
        arguments: What follows the name of the program; that of this process by default.

    Returns:
        The exit code: 0 done, 2 the user can mend it, 1 our fault, 130 stopped with Ctrl-C.
    """
    try:
        app(args=None if arguments is None else list(arguments))
    except SystemExit as end:  # the way in which typer ends, also for a wrong option
        return end.code if isinstance(end.code, int) else 0
    except FittingError as error:
        terminal.complain(str(error))
        return 2
    except (FitCancelled, KeyboardInterrupt):
        terminal.complain("Stopped. Nothing was written.")
        return 130
    except Exception as error:  # the last line of defence: a bug
        traceback.print_exc()
        terminal.complain(f"Unexpected {type(error).__name__}: this is a bug, please report it with the lines above.")
        return 1
    return 0


def _with_person(result: FitResult, output: Path) -> FitResult:
    """The result as one of a model file of the fitted person, written beside it: other programs know nothing of Anny."""
    from .body import AnnyBody  # noqa: PLC0415 - PyTorch

    person = output.with_name(f"{output.stem}.body.npz")
    baked = AnnyBody(result.model_type, result.body["gender"]).bake(result, person)
    terminal.say(f"Body: {person}")
    return baked


def _check_output(path: Path) -> None:
    """Says before a long fit what would go wrong after it."""
    if path.suffix != ".npz":
        raise ResultError(f"Cannot write {path.name!r}: files of type {path.suffix!r} are not written.", "Give a name that ends in .npz.")
    if not path.parent.is_dir():
        raise ResultError(f"There is no folder {str(path.parent)!r}.", "Make it, or choose another.")


def _read_person(
    take: Path, person: int | None, *, fps: float | None, units: str | None, up_axis: str | None, convention: str | None
) -> KeypointTrack:
    """The person that was asked for, else the first; if there are more, this is said."""
    tracks = read_tracks(take, fps=fps, units=units, up_axis=up_axis, convention=convention)
    if person is None and len(tracks) > 1:
        terminal.say(f"{take.name} has {len(tracks)} people: person 0 is taken. Choose another with --person.")
    return person_of(tracks, person or 0, take.name)
