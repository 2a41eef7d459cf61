import gzip

import numpy as np
import pytest

from fitting.errors import FittingError
from tools.build_default_body.makehuman import BASE_MESH, read_base_mesh, read_target
from tools.build_default_body.mesh import PARTS, find_mirror, quads_to_triangles, select_body_mesh, triangle_areas, volumes
from tools.build_default_body.targets import TargetLibrary

CUBE = np.array([[x, y, z] for x in (-1.0, 1.0) for y in (0.0, 2.0) for z in (0.0, 2.0)])
CUBE_QUADS = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])


def test_base_mesh_is_read_in_metres(data_folder):
    base = read_base_mesh(data_folder)
    np.testing.assert_allclose(base.vertices[:4].mean(axis=0), [0, 0.9, 0], atol=1e-7)
    np.testing.assert_array_equal(base.groups["body"].quads[1], [4, 5, 6, 7])
    np.testing.assert_array_equal(base.groups["body"].uv_quads[1], [0, 1, 2, 3])
    assert set(PARTS) < set(base.groups)


def test_missing_assets_say_what_to_give(tmp_path):
    with pytest.raises(FittingError, match=r"Cannot read the asset .*base\.obj.*--wheel"):
        read_base_mesh(tmp_path)


def test_a_mesh_with_triangles_is_refused(tmp_path):
    path = tmp_path / BASE_MESH
    path.parent.mkdir(parents=True)
    path.write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\ng body\nf 1/1 2/1 3/1\n")
    with pytest.raises(FittingError, match="not quads"):
        read_base_mesh(tmp_path)


@pytest.mark.parametrize("packed", [False, True])
def test_target_is_read_in_metres(tmp_path, packed):
    text = b"# a comment\n3 1 0 -.5\n\n7 0 2 0\n"
    path = tmp_path / ("a.target.gz" if packed else "a.target")
    path.write_bytes(gzip.compress(text) if packed else text)
    vertices, offsets = read_target(path)
    np.testing.assert_array_equal(vertices, [3, 7])
    np.testing.assert_allclose(offsets, [[0.1, 0, -0.05], [0, 0.2, 0]])


def test_rig_has_parents_first(assets):
    rig = assets.rig
    assert rig.names[0] == "root"
    assert all(parent < i for i, parent in enumerate(rig.parents))
    assert rig.names[rig.parents[rig.index["wrist.R"]]] == "lowerarm02.R"


def test_bone_ends_and_skin(assets):
    rig, vertices = assets.rig, assets.base.vertices
    np.testing.assert_allclose(rig.head_weights @ vertices, [vertices_of(assets, name) for name in rig.names], atol=1e-7)
    offset = (rig.tail_weights @ vertices - rig.head_weights @ vertices)[rig.index["finger2-1.R"]]
    np.testing.assert_allclose(offset, [-0.01, -0.02, 0.001], atol=1e-7)
    sums = rig.skin_weights[assets.mesh.base_vertices].sum(axis=1)
    np.testing.assert_allclose(sums, 1)


def vertices_of(assets, bone):
    """The middle of the square of a bone."""
    weights = assets.rig.skin_weights[:, [assets.rig.index[bone]]].toarray().ravel()
    own = np.flatnonzero(weights)[:4]
    return assets.base.vertices[own].mean(axis=0)


def test_body_mesh_keeps_parts_in_order(assets):
    mesh = assets.mesh
    assert (np.diff(mesh.part) >= 0).all()
    assert mesh.quads.max() == mesh.n_vertices - 1
    assert len(mesh.quads) * 4 == mesh.n_vertices
    assert mesh.n_body_quads * 4 == mesh.is_body.sum()
    rest = assets.base.vertices[mesh.base_vertices]
    np.testing.assert_allclose(rest[mesh.mirror], rest * [-1, 1, 1], atol=1e-7)
    assert (rest[mesh.half, 0] > -1e-7).all()
    np.testing.assert_array_equal(np.unique([mesh.half, mesh.mirror[mesh.half]]), np.arange(mesh.n_vertices))


def test_symmetrise():
    mirrored = np.array([[0.0, 1, 0], [-1, 0, 0], [1, 0, 0]])
    assert find_mirror(mirrored).tolist() == [0, 2, 1]
    with pytest.raises(FittingError, match="not symmetric"):
        find_mirror(np.array([[1.0, 0, 0], [-1.01, 0, 0]]))


def test_symmetrise_averages_both_sides(assets):
    mesh = assets.mesh
    body = np.random.default_rng(0).normal(size=(2, mesh.n_vertices, 3))
    result = mesh.symmetrise(body)
    np.testing.assert_array_equal(result[:, mesh.mirror] * [-1, 1, 1], result)
    np.testing.assert_allclose(result[..., 1], (body + body[:, mesh.mirror])[..., 1] / 2)


def test_area_and_volume_of_a_cube():
    triangles = quads_to_triangles(CUBE_QUADS)
    np.testing.assert_allclose(triangle_areas(CUBE, triangles), 2)
    np.testing.assert_allclose(volumes(np.stack([CUBE, CUBE + 5]), triangles), 8)


def test_select_body_mesh_leaves_the_cubes_out(assets):
    mesh = select_body_mesh(assets.base)
    assert not np.isin(assets.base.groups["joint-root"].vertices, mesh.base_vertices).any()


def test_targets_are_weighted_sums(tmp_path):
    folder = tmp_path / "mpfb2/targets"
    folder.mkdir(parents=True)
    for name, text in (("a", "0 1 0 0\n"), ("b", "0 0 1 0\n1 0 0 1\n")):
        (folder / f"{name}.target.gz").write_bytes(gzip.compress(text.encode()))
    library = TargetLibrary(tmp_path, np.ones((2, 3)))
    bodies = library.shape([{"a": 2}, {"a": 1, "b": -1}, {}])
    np.testing.assert_allclose(bodies[0], [[1.2, 1, 1], [1, 1, 1]], rtol=1e-6)
    np.testing.assert_allclose(bodies[1], [[1.1, 0.9, 1], [1, 1, 0.9]], rtol=1e-6)
    np.testing.assert_array_equal(bodies[2], np.ones((2, 3)))
    with pytest.raises(FittingError, match=r"c\.target"):
        library.shape([{"c": 1}])
