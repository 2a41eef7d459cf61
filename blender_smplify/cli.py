"""The command line: a take in, a .blend file out. The same for the `bpy` wheel and for `blender --command smplify`."""

import argparse
import contextlib
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import bpy

from . import api, export, preferences, render, session
from .bones import BONE_FORMS
from .core import GENDERS, SAMPLE_TAKE, FitResult, FittingError, KeypointTrack, Progress, atomic_path, load_preset, read_tracks

DONE, OUR_FAULT, USER_CAN_MEND, INTERRUPTED = 0, 1, 2, 130
BAR_LENGTH = 30
_commands: list[object] = []


def run(arguments: Sequence[str], program: str = "blender --command smplify") -> int:
    """Runs the command line; gives the exit code: 0 done, 2 the user can mend it, 1 our fault."""
    parser = _parser(program)
    try:
        given = parser.parse_args(arguments)
        if (given.take is None) == (not given.sample):
            parser.error("give a TAKE, or --sample")
        _fit_take(given)
    except SystemExit as stop:  # argparse has told what is wrong
        return int(stop.code or 0)
    except FittingError as error:
        print(f"Error: {error}", file=sys.stderr)
        return USER_CAN_MEND
    except KeyboardInterrupt:
        print("Stopped. Nothing was written.", file=sys.stderr)
        return INTERRUPTED
    except Exception:
        traceback.print_exc()
        return OUR_FAULT
    finally:
        session.close()
    return DONE


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description="Fits a body to a take of 3D keypoints and saves it as a .blend file.")
    parser.add_argument("take", metavar="TAKE", nargs="?", type=Path, help="file of 3D keypoints")
    parser.add_argument("--sample", action="store_true", help="use the take that comes with the extension")
    parser.add_argument("-o", "--output", metavar="FILE.blend", type=Path, help="default: the name of the take, in this folder")
    parser.add_argument("--render", metavar="FILE.png", type=Path, help="also render a picture")
    parser.add_argument(
        "--export", action="append", default=[], choices=[suffix[1:] for suffix in export.EXPORTERS], help="also export, beside the .blend"
    )
    fit = parser.add_argument_group("fit")
    fit.add_argument("--preset", default="smplify", metavar="NAME|FILE", help="default: smplify")
    fit.add_argument("--body", metavar="FILE", help="body model; default: the one that comes with the extension")
    fit.add_argument("--gender", choices=GENDERS, help="default: that of the preset")
    fit.add_argument("--person", default="0", metavar="N|all", help="which person of the take, from 0; default: 0")
    fit.add_argument("--device", help="auto, cpu, cuda, ...; default: auto")
    fit.add_argument("--python", metavar="FILE", help="the Python that has PyTorch")
    fit.add_argument("--still", action="store_true", help="fit a take of one frame, as a single pose")
    fit.add_argument("--bones", choices=BONE_FORMS, default=BONE_FORMS[0], help="rest bones as the model has them, or along the limbs")
    take = parser.add_argument_group("the take, where the file does not say it or says it wrongly")
    take.add_argument("--fps", type=float, help="frames per second")
    take.add_argument("--units", help="m, cm, mm, ...")
    take.add_argument("--up-axis", help="x, y, z, -x, -y or -z")
    take.add_argument("--convention", help="what the keypoints are: smpl, coco, ...")
    return parser


def _fit_take(given: argparse.Namespace) -> None:
    take = SAMPLE_TAKE if given.sample else given.take
    output = given.output or Path(f"{take.stem}.blend")
    _check_outputs(output, given.render)
    preset = load_preset(given.preset, preferences.user_folder("presets"))
    tracks = read_tracks(take, fps=given.fps, units=given.units, up_axis=given.up_axis, convention=given.convention)
    chosen = _people(tracks, given.person, take)
    for sentence in tracks[0].decisions:
        print(f"  {sentence}")

    if not given.still:
        for track in chosen:
            track.require_motion("Add --still to fit it as a single pose.")

    bpy.ops.wm.read_homefile(use_empty=True)
    shown = api.show_tracks(chosen, take.stem)
    armatures = []
    for track, keypoints in zip(chosen, shown, strict=True):
        print(f"{track.name}: {track.n_frames} frames at {track.fps:g} fps, {track.n_keypoints} keypoints", flush=True)
        with _progress_shown() as on_progress:
            result = api.fit(track, preset, given.body, given.gender, given.device, given.python, on_progress=on_progress)
        print(_quality(result))
        armatures.append(api.apply_result(result, keypoints=keypoints, bones=given.bones))

    if given.render:
        with _quiet():
            frame = render.render_still(given.render, armatures[0])
        print(f"Rendered frame {frame}: {given.render}")
    for kind in given.export:
        for armature in armatures:
            path = output.with_suffix(f".{kind}") if len(armatures) == 1 else output.with_name(f"{output.stem} {armature.name}.{kind}")
            with _quiet():
                export.export(armature, path)
            print(f"Exported: {path}")
    _save(output)
    print(f"Saved: {output}", flush=True)


def _check_outputs(*paths: Path | None) -> None:
    """Finds out before a long fit what would fail after it."""
    for path, suffix in zip(paths, (".blend", ".png"), strict=True):
        if path is None:
            continue
        if path.suffix.lower() != suffix:
            raise FittingError(f"The output {str(path)!r} does not end with {suffix}.", f"Write {path.with_suffix(suffix).name!r}.")
        if not path.absolute().parent.is_dir():
            raise FittingError(f"There is no folder {str(path.absolute().parent)!r}.", "Make it, or write to another one.")


def _people(tracks: list[KeypointTrack], person: str, take: Path) -> list[KeypointTrack]:
    if person == "all":
        print(f"{take.name}: {len(tracks)} people")
        return tracks
    if not person.isdecimal() or int(person) >= len(tracks):
        count = "1 person" if len(tracks) == 1 else f"{len(tracks)} people"
        raise FittingError(
            f"{take.name!r} has {count}, but person {person!r} was asked for.", "People are counted from 0; 'all' takes all."
        )
    people = "" if len(tracks) == 1 else f" (of {len(tracks)}; --person all fits all of them)"
    print(f"{take.name}: person {person}{people}")
    return [tracks[int(person)]]


def _quality(result: FitResult) -> str:
    main = 1000 * result.mean_residual(main_only=True)
    return f"{result.summary()}; hips, knees, ankles, shoulders, elbows and wrists: {main:.1f} mm"


@contextlib.contextmanager
def _progress_shown() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal, a line for each tenth elsewhere."""
    is_terminal = sys.stderr.isatty()
    last = -1

    def show(progress: Progress) -> None:
        nonlocal last
        text = f"stage {progress.stage + 1}/{progress.n_stages}, iteration {progress.iteration}/{progress.n_iterations}"
        if is_terminal:
            done = round(BAR_LENGTH * progress.fraction)
            print(f"\r[{'#' * done}{'.' * (BAR_LENGTH - done)}] {progress.fraction:4.0%} {text}\033[K", end="", file=sys.stderr, flush=True)
        elif int(10 * progress.fraction) > last:
            last = int(10 * progress.fraction)
            print(f"{progress.fraction:4.0%} {text}", file=sys.stderr, flush=True)

    print("Starting PyTorch ...", end="" if is_terminal else "\n", file=sys.stderr, flush=True)
    try:
        yield show
    finally:
        if is_terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what Blender prints about each sample and each file from standard output."""
    sys.stdout.flush()
    kept = os.dup(1)
    with open(os.devnull, "w", encoding="utf-8") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _save(path: Path) -> None:
    bpy.context.scene.frame_set(bpy.context.scene.frame_start)
    with atomic_path(path) as temporary, _quiet():
        temporary.unlink()  # Blender would keep the empty file as a backup
        bpy.ops.wm.save_as_mainfile(filepath=str(temporary), compress=True, copy=True)


def register() -> None:
    """Makes `blender --command smplify` known."""
    _commands.append(bpy.utils.register_cli_command("smplify", run))


def unregister() -> None:
    """Undoes `register`."""
    while _commands:
        bpy.utils.unregister_cli_command(_commands.pop())
