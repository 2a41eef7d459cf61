"""What the command line shows: sentences, tables, and how far a fit has come."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from .data.preset_explained import explain_stages, oddities, sentences_about
from .progress import Progress, ProgressCallback

if TYPE_CHECKING:
    from .data.bodies import ModelInfo
    from .data.preset import Preset
    from .data.preset_explained import TermExplained
    from .data.result import FitResult
    from .data.tracks import KeypointTrack

_PLAIN: dict[str, Any] = {"markup": False, "highlight": False, "emoji": False}
"""Names of files and keypoints may hold what rich would take for markup."""


def say(sentence: str) -> None:
    """Prints a line, however long."""
    Console(**_PLAIN).print(sentence, soft_wrap=True)


def complain(sentence: str) -> None:
    """Prints a line to stderr."""
    Console(stderr=True, **_PLAIN).print(sentence, soft_wrap=True)


def show_track(track: "KeypointTrack", prefix: str = "", with_decisions: bool = True) -> None:
    """One line about a track, and what its reader has found out."""
    seconds = track.n_frames / track.fps
    say(
        f"{prefix}{track.name}: {track.n_frames} frames at {track.fps:g} fps ({seconds:.1f} s), "
        f"{track.n_keypoints} keypoints, {100 * track.observed.mean():.0f} % observed"
    )
    if with_decisions:
        for decision in track.decisions:
            say(f"  {decision}")


def show_keypoints(tracks: Sequence["KeypointTrack"]) -> None:
    """A table of how often each keypoint is observed, with a column for each person."""
    people = ["observed"] if len(tracks) == 1 else [f"person {number}" for number in range(len(tracks))]
    shares = [track.observed.mean(0) for track in tracks]
    rows = [[name, *(f"{100 * share[index]:.0f} %" for share in shares)] for index, name in enumerate(tracks[0].names)]
    _show_table(["keypoint", *people], rows)


def show_model(info: "ModelInfo") -> None:
    """A line about what a body model is, one about what it has, and what it lacks."""
    kind = " ".join(filter(None, (info.model_type.upper(), info.gender)))
    say(f"{info.name}: {kind}, {info.n_vertices} vertices, {info.n_faces} triangles, {info.n_joints} joints")
    has = [f"{info.n_betas} betas"]
    if info.n_expressions:
        has.append(f"{info.n_expressions} expressions")
    parts = {
        "pose correctives": info.has_pose_correctives,
        "components of hand poses": info.has_hand_components,
        "landmarks of the face": info.has_landmarks,
    }
    has += [part for part, is_there in parts.items() if is_there]
    say(f"  Has {', '.join(has)}.")
    if info.convention is not None:
        say(f"  Keypoints: {info.convention}.")
    for sentence in info.missing:
        say(f"  {sentence}")


def show_result(result: "FitResult", already_shown: Collection[str] = ()) -> None:
    """What the fit has found out, a table of the residuals by keypoint, and the summary."""
    for sentence in result.report:
        if sentence not in already_shown:
            say(f"  {sentence}")
    rows = [[name, f"{1000 * residual:.1f}"] for name, residual in result.residual_by_keypoint().items()]
    _show_table(["keypoint", "mean residual, mm"], rows)
    say(f"{result.name}: {result.summary()}")


def show_presets(presets: Sequence["Preset"]) -> None:
    """A table of presets."""
    rows = [[preset.name, preset.type, str(len(preset.stages)), preset.description] for preset in presets]
    _show_table(["preset", "type", "stages", "description"], rows, justify="left")


def show_stages(preset: "Preset", warnings: Sequence[str] = ()) -> None:
    """What a preset will do: a table with a row for each fact and a column for each stage, and what is odd about it."""
    say(f"{preset.name}: {preset.type}. {preset.description}".rstrip())
    for sentence in sentences_about(preset):
        say(f"  {sentence}")
    stages = explain_stages(preset)
    rows = [
        ["fits", *(", ".join(stage.fits) or "-" for stage in stages)],
        ["iterations, at most", *(str(stage.n_iter) for stage in stages)],
        *(
            [["frames, at most", *(str(stage.max_frames or "all") for stage in stages)]]
            if any(stage.max_frames for stage in stages)
            else []
        ),
        ["ends at a change of", *("-" if stage.ftol is None else f"{stage.ftol:g}" for stage in stages)],
        *([key, *(_weight(stage.terms[key]) for stage in stages)] for key in stages[0].terms),
    ]
    parts = dict.fromkeys(key for stage in stages for key in stage.parts)
    rows += [[key, *(_shown(stage.parts[key]) if key in stage.parts else "" for stage in stages)] for key in parts]
    say("")
    _show_table(["", *(f"stage {number}" for number in range(len(stages)))], rows)
    if any(term.is_own_weight for stage in stages for term in stage.active):
        say("  * the stage gives no weight: it is that of the loss")
    for warning in (*warnings, *oddities(preset)):
        say(f"Warning: {warning}")


@contextmanager
def progress() -> Iterator[ProgressCallback]:
    """Shows a fit while it runs, on stderr: a bar in a terminal, else a line for each stage."""
    console = Console(stderr=True)
    if not console.is_terminal:
        lines = StageLines()
        yield lines
        lines.end_stage()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("loss {task.fields[loss]:.4g}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console) as bar:
        task = bar.add_task("starting", total=1.0, loss=float("nan"))

        def show(progress: Progress) -> None:
            stage = f"stage {progress.stage + 1}/{progress.n_stages}, iteration {progress.iteration}/{progress.n_iterations}"
            bar.update(task, completed=progress.fraction, description=stage, loss=progress.loss)

        yield show
        bar.update(task, completed=1.0)


class StageLines:
    """Prints a line for each stage when it is done: for logs."""

    def __init__(self) -> None:
        self._last: Progress | None = None

    def __call__(self, progress: Progress) -> None:
        """Takes note of an iteration."""
        if self._last is not None and progress.stage != self._last.stage:
            self.end_stage()
        self._last = progress

    def end_stage(self) -> None:
        """Prints the line of the stage that was noted last."""
        if self._last is not None:
            last = self._last
            iterations = f"{last.iteration} of {last.n_iterations} iterations"
            complain(f"stage {last.stage + 1}/{last.n_stages}: {iterations}, loss {last.loss:.4g}, {100 * last.fraction:.0f} %")


def _show_table(header: Sequence[str], rows: Sequence[Sequence[str]], justify: Literal["left", "right"] = "right") -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, title in enumerate(header):
        table.add_column(title, overflow="fold", no_wrap=number == 0, justify=justify if number else "left")
    for row in rows:
        table.add_row(*row)
    Console(**_PLAIN).print(table)


def _weight(term: "TermExplained") -> str:
    return "-" if term.weight == 0 else f"{term.weight:g}{'*' if term.is_own_weight else ''} {term.reduction}"


def _shown(value: float | bool) -> str:
    return ("yes" if value else "-") if isinstance(value, bool) else f"{value:g}"
