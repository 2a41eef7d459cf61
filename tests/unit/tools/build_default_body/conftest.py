"""A tiny stand-in for MakeHuman's assets: each bone has a few vertices of its own, each target is a line or two."""

import gzip
import json
from itertools import product

import pytest

from tools.build_default_body.expressions import EXPRESSIONS, FACE_UNITS
from tools.build_default_body.makehuman import BASE_MESH, RIG, SKIN_WEIGHTS
from tools.build_default_body.mesh import PARTS
from tools.build_default_body.phenotypes import CUP_SIZE, ETHNICITIES, FIRMNESS, LOCAL_TARGETS, MUSCLE, WEIGHT
from tools.build_default_body.population import Assets
from tools.build_default_body.targets import TARGETS

_CENTRAL = {  # head in metres, parent
    "root": ((0, 0.9, 0), ""),
    "spine05": ((0, 0.95, 0), "root"),
    "spine04": ((0, 1.0, -0.02), "spine05"),
    "spine03": ((0, 1.1, -0.02), "spine04"),
    "spine02": ((0, 1.2, -0.02), "spine03"),
    "spine01": ((0, 1.3, -0.02), "spine02"),
    "neck01": ((0, 1.45, 0), "spine01"),
    "neck02": ((0, 1.48, 0), "neck01"),
    "neck03": ((0, 1.51, 0), "neck02"),
    "head": ((0, 1.55, 0), "neck03"),
    "jaw": ((0, 1.57, 0.03), "head"),
    "tongue00": ((0, 1.58, 0.04), "jaw"),
}
_LEFT = {
    "pelvis": ((0.05, 0.94, 0), "root"),
    "upperleg01": ((0.1, 0.9, 0), "pelvis"),
    "upperleg02": ((0.12, 0.7, 0.01), "upperleg01"),
    "lowerleg01": ((0.14, 0.5, 0.02), "upperleg02"),
    "lowerleg02": ((0.15, 0.3, 0.01), "lowerleg01"),
    "foot": ((0.16, 0.08, 0), "lowerleg02"),
    "breast": ((0.08, 1.3, 0.1), "spine02"),
    "clavicle": ((0.03, 1.4, 0), "spine01"),
    "shoulder01": ((0.1, 1.42, 0), "clavicle"),
    "upperarm01": ((0.17, 1.4, -0.01), "shoulder01"),
    "upperarm02": ((0.25, 1.3, -0.01), "upperarm01"),
    "lowerarm01": ((0.34, 1.2, 0), "upperarm02"),
    "lowerarm02": ((0.41, 1.1, 0.02), "lowerarm01"),
    "wrist": ((0.48, 1.0, 0.04), "lowerarm02"),
    "eye": ((0.03, 1.62, 0.08), "head"),
}
_LEFT |= {f"metacarpal{i}": ((0.5, 0.97, 0.08 - 0.02 * i), "wrist") for i in (1, 2, 3, 4)}
_LEFT |= {f"toe{i}-1": ((0.13 + 0.02 * i, 0.02, 0.12), "foot") for i in (1, 2, 3, 4, 5)}
_LEFT |= {
    f"finger{f}-{i}": ((0.52 + 0.02 * i, 0.94 - 0.03 * i, 0.1 - 0.02 * f), f"finger{f}-{i - 1}" if i > 1 else "wrist")
    for f, i in product((1, 2, 3, 4, 5), (1, 2, 3))
}
_TAIL = (0.01, -0.02, 0.001)  # metres from the head; the only end of a bone that the build asks for is that of a finger
SIZE = 0.0037  # metres, of the square of each bone


def heads():
    """Head of each bone in metres, and its parent."""
    bones = dict(_CENTRAL)
    for side, sign in (("L", 1), ("R", -1)):
        for name, ((x, y, z), parent) in _LEFT.items():
            bones[f"{name}.{side}"] = ((sign * x, y, z), parent if parent in _CENTRAL else f"{parent}.{side}")
    return bones


def _write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _squares():
    """Centre and group of the squares that make up the mesh: one for each bone, the other parts, one cube."""
    squares = [(head, "body") for head, _ in heads().values()]
    squares += [((0.03, 1.62, 0.09), PARTS[1]), ((-0.03, 1.62, 0.09), PARTS[2])]
    squares += [((0, 1.5 + 0.01 * i, 0.05), part) for i, part in enumerate(PARTS[3:])]
    return [*squares, ((0, 0.9, 0), "joint-root")]


def _write_mesh_and_rig(folder):
    vertices, faces, bones, weights = [], {}, {}, {}
    for (x, y, z), group in _squares():
        first = len(vertices)
        vertices += [(x + dx * SIZE, y + dy * SIZE, z) for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1))]
        faces.setdefault(group, []).append(range(first, first + 4))
    for i, (name, ((x, y, z), parent)) in enumerate(heads().items()):
        weights[name] = [[vertex, 0.5] for vertex in range(4 * i, 4 * i + 4)]
        tail, vertices = len(vertices), [*vertices, (x + (1 if x >= 0 else -1) * _TAIL[0], y + _TAIL[1], z + _TAIL[2])]
        bones[name] = {
            "head": {"strategy": "MEAN", "vertex_indices": list(range(4 * i, 4 * i + 4))},
            "tail": {"strategy": "VERTEX", "vertex_index": tail},
            "parent": parent,
        }
    bones["root"]["head"] = {"strategy": "CUBE", "cube_name": "joint-root"}
    weights["head"] += [[vertex, 1.0] for group in PARTS[1:] for face in faces[group] for vertex in face]
    lines = [
        "# a comment",
        *(f"v {x / 0.1:.6f} {y / 0.1:.6f} {z / 0.1:.6f}" for x, y, z in vertices),
        "vt 0 0",
        "vt 1 0",
        "vt 1 1",
        "vt 0 1",
    ]
    for group, quads in faces.items():
        lines += [f"g {group}", *("f " + " ".join(f"{vertex + 1}/{corner + 1}" for corner, vertex in enumerate(quad)) for quad in quads)]
    _write(folder / BASE_MESH, "\n".join(lines))
    _write(folder / RIG, json.dumps({"bones": dict(reversed(bones.items()))}))  # children first: the reader has to sort them
    _write(folder / SKIN_WEIGHTS, json.dumps({"weights": weights}))
    return vertices


def _write_targets(folder, vertices):
    def write(name, moved=()):
        path = folder / TARGETS / f"{name}.target.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress("".join(f"{i} {x / 0.1} {y / 0.1} {z / 0.1}\n" for i, (x, y, z) in moved).encode()))

    taller = [(i, (0, 0.1 * y, 0)) for i, (_, y, _) in enumerate(vertices)]
    smaller = [(i, (0, -0.05 * y, 0)) for i, (_, y, _) in enumerate(vertices)]
    wider = [(i, (0.1 * x, 0, 0.1 * z)) for i, (x, _, z) in enumerate(vertices)]
    for who in ("-".join(pair) for pair in product(("female", "male"), ("young", "old"))):
        for ethnicity in ETHNICITIES:
            write(f"macrodetails/{ethnicity}-{who}")
        for build in (f"{who}-{muscle}-{weight}" for muscle, weight in product(MUSCLE, WEIGHT)):
            write(f"macrodetails/universal-{build}", wider if build.endswith("maxweight") else ())
            write(f"macrodetails/height/{build}-maxheight", taller)
            write(f"macrodetails/height/{build}-minheight", smaller)
            for proportions in ("ideal", "uncommon"):
                write(f"macrodetails/proportions/{build}-{proportions}proportions")
            for cup, firmness in product(CUP_SIZE, FIRMNESS):
                if (cup, firmness) != ("averagecup", "averagefirmness") and who.startswith("female"):
                    write(f"breast/{build}-{cup}-{firmness}")
    write("breast/nipple-point-decr")
    bones = [name.partition(".")[0] for name in heads()]
    for k, (names, _) in enumerate(LOCAL_TARGETS):  # each moves the squares of one bone, and of the same on the other side
        own = [4 * i + corner for i, bone in enumerate(bones) if bone == list(_LEFT)[k] for corner in range(4)]
        for name, (ending, sign) in product(names, (("incr", 1), ("decr", -1))):
            write(f"{name}-{ending}", [(vertex, (0, 0.001 * sign, 0.01 * sign)) for vertex in own])


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("makehuman")
    _write_targets(folder, _write_mesh_and_rig(folder))
    names = {unit for units in EXPRESSIONS.values() for unit in units}
    for name in names:
        _write(folder / FACE_UNITS / f"{name}.target", f"{4 * list(heads()).index('jaw')} 0 0.1 {len(name) / 100}\n")
    return folder


@pytest.fixture(scope="session")
def assets(data_folder):
    return Assets.read(data_folder)
