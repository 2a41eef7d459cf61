"""Point clouds and meshes against a small surface: a square of 0.4 m in the plane z = 0, whose normals are +z."""

import math

import numpy as np
import pytest
import torch

from fitting.errors import FittingError, PresetError
from fitting.handlers import HANDLERS, Keypoint3dMSEInput, MeshHandler, MeshInput, PointCloudHandler, PointCloudInput, build_handler

SIDE = 9
LOSS = {"type": "PointDistanceLoss", "reduction": "none", "sigma": 1e3}
"""Plain squares of the distance."""


def square(n_frames=1, spacing=0.05):
    """(F, V, 3) vertices and (T, 3) faces."""
    index = torch.arange(SIDE * SIDE).view(SIDE, SIDE)
    a, b, c, d = (part.flatten() for part in (index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]))
    x, y = torch.meshgrid(torch.arange(float(SIDE)), torch.arange(float(SIDE)), indexing="ij")
    vertices = spacing * torch.stack([x, y, torch.zeros_like(x)], -1).view(1, -1, 3)
    return vertices.repeat(n_frames, 1, 1), torch.cat([torch.stack([a, b, c], 1), torch.stack([a, c, d], 1)])


def body(n_frames=1):
    vertices, faces = square(n_frames)
    return {"model_vertices": vertices, "model_faces": faces}


def above(heights, x=0.13, y=0.22):
    """(N, 3) points above the inside of a triangle."""
    heights = torch.as_tensor(heights, dtype=torch.float32)
    return torch.stack([torch.full_like(heights, x), torch.full_like(heights, y), heights], -1)


def cloud(**options):
    return PointCloudHandler(dict(LOSS), **options)


def test_distance_from_the_surface():
    found = cloud()(related_input=PointCloudInput(above([[0.03, -0.03, 0.01]])), **body())
    torch.testing.assert_close(found, torch.tensor([(2 * 0.03**2 + 0.01**2) / 3]))


def test_the_body_is_asked_for_its_vertices():
    handlers = [cloud(), MeshHandler(dict(LOSS))]
    assert [handler.requires_verts() for handler in handlers] == [True, True]
    assert [handler.requires_input() for handler in handlers] == [True, True]
    assert [handler.handler_key for handler in handlers] == ["point_cloud", "mesh"]


def test_what_no_point_finds_is_not_pulled():
    """A partial scan leaves the rest of the body to other terms: 3 vertices at most for each point have a gradient."""
    arguments = body()
    vertices = arguments["model_vertices"].requires_grad_()
    points = PointCloudInput(torch.cat([above([0.02]), above([0.05], x=0.31)])[None])
    cloud()(related_input=points, **arguments).sum().backward()
    moved = vertices.grad[0].norm(dim=-1) > 0
    assert 4 <= moved.sum() <= 6
    assert (vertices.detach()[0, moved] - torch.tensor([0.22, 0.22, 0])).norm(dim=-1).max() < 0.15
    assert (vertices.grad[0, moved, 2] < 0).all(), "less distance where the body goes up"


@pytest.mark.parametrize("metric", ["point_to_plane", "point_to_point"])
def test_gradient_with_the_matches_of_one_search(metric):
    """The matches hold for all of these steps: the gradient is that of differences."""
    generator = torch.Generator().manual_seed(4)
    vertices, faces = square(2)
    vertices = (vertices + 0.01 * torch.randn(vertices.shape, generator=generator)).double()
    points = PointCloudInput(torch.rand(2, 30, 3, generator=generator) * torch.tensor([0.4, 0.4, 0.05]))
    handler = PointCloudHandler({"type": "PointDistanceLoss", "sigma": 0.02, "reduction": "sum"}, metric=metric)
    handler(related_input=points, model_vertices=vertices, model_faces=faces)

    def value(step):
        return handler(related_input=points, model_vertices=vertices + step, model_faces=faces)

    assert torch.autograd.gradcheck(value, torch.zeros_like(vertices, requires_grad=True), eps=1e-6, atol=1e-7)


def test_residuals_add_up_to_the_value():
    generator = torch.Generator().manual_seed(5)
    points = PointCloudInput(0.4 * torch.rand(3, 20, 3, generator=generator))
    for metric, width in (("point_to_plane", 20), ("point_to_point", 60)):
        handler = cloud(metric=metric)
        residuals = handler.residuals(2.0, "mean", related_input=points, **body(3))
        assert residuals.shape == (3, width)
        torch.testing.assert_close(residuals.square().sum(), handler(2.0, "mean", related_input=points, **body(3)))


def test_point_to_plane_lets_a_surface_slide():
    """The match stays where it was found; along the surface it costs nothing, or all."""
    points, arguments = PointCloudInput(above([[0.03]])), body()
    for metric, expected in (("point_to_plane", 0.03**2), ("point_to_point", 0.03**2 + 0.008**2)):
        handler = cloud(metric=metric)
        handler(related_input=points, **arguments)
        slid = {**arguments, "model_vertices": arguments["model_vertices"] + torch.tensor([0.008, 0, 0])}
        assert handler(related_input=points, **slid).item() == pytest.approx(expected, rel=1e-4)


def searches(handler, points, steps, monkeypatch, n_frames=1):
    """The frames that are searched at each step of the body, which moves from the start."""
    from fitting.handlers.surface_matches import SurfaceMatches

    found = []
    search = SurfaceMatches._search_frame
    monkeypatch.setattr(SurfaceMatches, "_search_frame", lambda self, frame, at: found[-1].append(frame) or search(self, frame, at))
    for step in steps:
        found.append([])
        vertices, faces = square(n_frames)
        vertices[:, 40, 2] += torch.as_tensor(step)
        handler(related_input=points, model_vertices=vertices, model_faces=faces)
    return found


def test_only_what_moves_is_searched_again(monkeypatch):
    points = PointCloudInput(above([[0.03]]).repeat(2, 1, 1))
    steps = [[0.0, 0.0], [0.009, 0.0], [0.011, -0.005], [0.015, -0.02], [0.015, -0.02]]
    assert searches(cloud(), points, steps, monkeypatch, n_frames=2) == [[0, 1], [], [0], [1], []]


@pytest.mark.parametrize(("refresh_distance", "expected"), [(0.0, [[0], [0], []]), (0.05, [[0], [], []])])
def test_refresh_distance(refresh_distance, expected, monkeypatch):
    points = PointCloudInput(above([[0.03]]))
    assert searches(cloud(refresh_distance=refresh_distance), points, [0.0, 0.001, 0.001], monkeypatch) == expected


def test_a_new_fit_or_another_input_begins_anew(monkeypatch):
    handler = cloud()
    first, second = PointCloudInput(above([[0.03]])), PointCloudInput(above([[0.05]]))
    assert searches(handler, first, [0.0], monkeypatch) == [[0]]
    assert handler(related_input=second, **body()).item() == pytest.approx(0.05**2)
    assert handler(related_input=first, **body()).item() == pytest.approx(0.03**2)
    handler.check_input(first, "smpl_45")
    assert searches(handler, first, [0.0], monkeypatch) == [[0]]


def test_a_gradient_can_wait_for_another_evaluation():
    points, arguments = PointCloudInput(above([[0.03]])), body()
    handler = cloud(metric="point_to_point")
    vertices = arguments["model_vertices"].requires_grad_()
    expected = torch.autograd.grad(handler(related_input=points, **arguments).sum(), vertices)[0]
    value = handler(related_input=points, **arguments).sum()
    handler(related_input=points, **{**arguments, "model_vertices": vertices + 0.05})
    assert torch.equal(torch.autograd.grad(value, vertices)[0], expected)


@pytest.mark.parametrize("chunk_size", [1, 50, 1 << 20])
def test_chunks_change_nothing(chunk_size):
    points = PointCloudInput(0.4 * torch.rand(2, 50, 3, generator=torch.Generator().manual_seed(0)))
    vertices = body(2)["model_vertices"].requires_grad_()
    arguments = {**body(2), "model_vertices": vertices}
    value = cloud(chunk_size=chunk_size)(related_input=points, **arguments)
    assert torch.equal(value, cloud()(related_input=points, **arguments))


def test_clouds_of_different_sizes():
    heights = [[0.01], [0.02, 0.04], []]
    clouds = [above(values) for values in heights]
    points = PointCloudInput([clouds[0], clouds[1].numpy(), clouds[2].view(0, 3)])
    assert points.get_batch_size() == 3
    assert points.points.shape == (3, 2, 3)
    assert points.weights.tolist() == [[1, 0], [0.5, 0.5], [0, 0]]
    found = cloud()(related_input=points, **body(3))
    torch.testing.assert_close(found, torch.tensor([0.01**2, (0.02**2 + 0.04**2) / 2, 0.0]))


@pytest.mark.parametrize("missing", ["nan", "weight 0", "nan in the weight", "left out"])
def test_points_that_were_not_observed(missing):
    points, weights = above([[0.03, 0.07]]), torch.ones(1, 2)
    if missing == "nan":
        points[0, 1, 0] = torch.nan
    elif missing == "left out":
        points, weights = points[:, :1], weights[:, :1]
    else:
        weights[0, 1] = 0 if missing == "weight 0" else torch.nan
    arguments = body()
    vertices = arguments["model_vertices"].requires_grad_()
    found = cloud()(related_input=PointCloudInput(points, weights), **arguments)
    found.sum().backward()
    assert found.item() == pytest.approx(0.03**2)
    assert vertices.grad.isfinite().all()


def test_weights():
    points = PointCloudInput(above([[0.01, 0.03]]), torch.tensor([[6.0, 2.0]]))
    assert points.weights.tolist() == [[0.75, 0.25]]
    assert cloud()(related_input=points, **body()).item() == pytest.approx(0.75 * 0.01**2 + 0.25 * 0.03**2)


def test_points_that_are_too_far_do_not_count():
    points = PointCloudInput(above([[0.01, 0.03, 0.5]]))
    found = [cloud(max_distance=limit)(related_input=points, **body()).item() for limit in (0.02, 0.1, None)]
    assert found == pytest.approx([0.01**2 / 3, (0.01**2 + 0.03**2) / 3, (0.01**2 + 0.03**2 + 0.5**2) / 3])


@pytest.mark.parametrize(("max_angle", "expected"), [(30.0, 1), (60.0, 2), (90.0, 2), (120.0, 3), (180.0, 4), (360.0, 4)])
def test_points_that_face_away_do_not_count(max_angle, expected):
    """Turned by 0, 45, 100 and 180 degrees; of the last one the normal is not known."""
    angles = [math.radians(angle) for angle in (0, 45, 100, 180)]
    normals = torch.tensor([[[2 * math.sin(angle), 0.0, 2 * math.cos(angle)] for angle in angles] + [[torch.nan] * 3]])
    points = PointCloudInput(above([[0.1] * 5]), normals=normals)
    assert cloud(max_angle=max_angle)(related_input=points, **body()).item() == pytest.approx((expected + 1) / 5 * 0.01)


def test_numbers_of_other_types():
    """NumPy's own numbers are doubles; the body's are not."""
    points = PointCloudInput(above([[0.03]]).double().numpy(), np.ones((1, 1)), np.array([[[0.0, 0.0, 1.0]]]))
    found = cloud()(related_input=points, **body())
    assert (found.dtype, found.item()) == (torch.float32, pytest.approx(0.03**2))


def test_a_body_that_is_not_a_number_gives_a_loss_that_is_none():
    arguments = body(2)
    arguments["model_vertices"][1] = torch.nan
    found = cloud()(related_input=PointCloudInput(above([[0.03]]).repeat(2, 1, 1)), **arguments)
    assert found[0].item() == pytest.approx(0.03**2)
    assert found[1].isnan()


def test_a_mesh_of_the_bodys_topology_is_compared_vertex_by_vertex():
    vertices, faces = square(2)
    vertices[1] += torch.tensor([0.01, 0.0, 0.02])
    vertices[0, 3] = torch.nan
    mesh = MeshInput(vertices, faces)
    found = MeshHandler(dict(LOSS))(related_input=mesh, **body(2))
    torch.testing.assert_close(found, torch.tensor([0.0, 0.01**2 + 0.02**2]))
    weights = torch.zeros(1, SIDE**2)
    weights[0, [0, 7]] = torch.tensor([3.0, 1.0])
    vertices, _ = square()
    vertices[0, 7, 2] = 0.2
    found = MeshHandler(dict(LOSS))(related_input=MeshInput(vertices, faces, weights), **body())
    assert found.item() == pytest.approx(0.2**2 / 4)


def other_mesh(height):
    """Three triangles above the surface: an isosceles one of 0.02 square metres, and two of no area."""
    vertices = torch.cat([above([height], 0.1, 0.1), above([height], 0.3, 0.1), above([height], 0.2, 0.3), above([9.0])])
    return MeshInput(vertices[None], torch.tensor([[0, 1, 2], [0, 0, 1], [2, 2, 2]]))


def test_a_mesh_of_another_topology_is_measured_from_the_surface_of_the_body():
    """A vertex without a triangle is no part of the surface."""
    assert other_mesh(0.05).areas.tolist() == [pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])]
    found = MeshHandler(dict(LOSS))(related_input=other_mesh(0.05), **body())
    assert found.item() == pytest.approx(0.05**2)


def test_vertices_weigh_as_the_area_round_them():
    vertices = torch.tensor([[[0.0, 0, 0], [0.3, 0, 0], [0, 0.2, 0], [0, -0.1, 0], [0.3, -0.1, torch.nan]]])
    mesh = MeshInput(vertices, torch.tensor([[0, 1, 2], [0, 3, 1], [3, 4, 1]]))
    assert mesh.weights.tolist() == [pytest.approx([0.25] * 4 + [0])]
    torch.testing.assert_close(mesh.areas, torch.tensor([[0.045, 0.045, 0.03, 0.015, 0]]) / 0.135)


def test_correspondence_can_be_chosen():
    """The same mesh, slid by half a cell: the surface is where it was, the vertices are not."""
    vertices, faces = square()
    mesh = MeshInput(vertices + torch.tensor([0.025, 0.0, 0.0]), faces)
    inside = MeshInput((vertices + torch.tensor([0.025, 0.0, 0.0]))[:, : -2 * SIDE], faces[(faces < SIDE * (SIDE - 2)).all(1)])
    arguments = {**body(), "related_input": mesh}
    assert MeshHandler(dict(LOSS))(**arguments).item() == pytest.approx(0.025**2)
    assert MeshHandler(dict(LOSS), correspondence="surface", metric="point_to_plane")(**arguments).item() == pytest.approx(0, abs=1e-9)
    turned = MeshInput(mesh.points, faces[:, [1, 2, 0]])
    assert MeshHandler(dict(LOSS))(**{**arguments, "related_input": turned}).item() == pytest.approx(0, abs=1e-9)
    assert MeshHandler(dict(LOSS), correspondence="vertex")(**{**arguments, "related_input": turned}).item() == pytest.approx(0.025**2)
    with pytest.raises(FittingError, match=r"The mesh 'mesh' has 63 vertices and the body 81. Write correspondence = \"surface\""):
        MeshHandler(dict(LOSS), correspondence="vertex")(**{**arguments, "related_input": inside})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"points": torch.zeros(5, 3)}, r"points has shape \(3,\) in frame 0, expected \(points, 3\)"),
        ({"points": torch.zeros(2, 5, 2)}, r"points has shape \(5, 2\) in frame 0"),
        ({"points": [torch.zeros(5, 3), torch.zeros(5, 4)]}, r"points has shape \(5, 4\) in frame 1"),
        ({"points": []}, "points has no frame"),
        ({"points": torch.zeros(2, 0, 3)}, "There is no point to fit to: none of 0 is finite"),
        ({"points": torch.full((2, 5, 3), torch.nan)}, "There is no point to fit to: none of 10 is finite and has a weight above 0"),
        ({"points": torch.zeros(2, 5, 3), "weights": -torch.ones(2, 5)}, "There is no point to fit to"),
        ({"points": torch.zeros(2, 5, 3), "weights": torch.ones(2, 4)}, r"weights has shape \(4,\) in frame 0, expected \(5,\)"),
        ({"points": torch.zeros(2, 5, 3), "weights": torch.ones(3, 5)}, "weights has 3 frames, but points has 2"),
        ({"points": torch.zeros(2, 5, 3), "normals": torch.ones(2, 5)}, r"normals has shape \(5,\) in frame 0, expected \(5, 3\)"),
    ],
)
def test_sentences_of_clouds(arguments, sentence):
    with pytest.raises(FittingError, match=sentence):
        PointCloudInput(**arguments)


TRIANGLE = torch.tensor([[0, 1, 2]])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"vertices": torch.zeros(5, 3)}, r"vertices has shape \(5, 3\), expected \(frames, vertices, 3\)"),
        ({"faces": torch.zeros(4, 4, dtype=torch.long)}, r"faces has shape \(4, 4\) and type torch.int64, expected whole numbers"),
        ({"faces": torch.zeros(4, 3)}, r"faces has shape \(4, 3\) and type torch.float32"),
        ({"faces": torch.zeros(0, 3, dtype=torch.long)}, r"faces has shape \(0, 3\)"),
        ({"faces": TRIANGLE + 3}, "faces names the vertex 5, but there are 5 vertices, counted from 0. Number the vertices from 0"),
        ({"faces": TRIANGLE - 1}, "faces names the vertex -1"),
        ({"weights": torch.ones(2, 4)}, r"weights has shape \(2, 4\), expected \(2, 5\) as the vertices"),
        ({"vertices": torch.full((2, 5, 3), torch.inf)}, "There is no point to fit to: none of 10"),
    ],
)
def test_sentences_of_meshes(arguments, sentence):
    with pytest.raises(FittingError, match=sentence):
        MeshInput(**{"vertices": torch.zeros(2, 5, 3), "faces": TRIANGLE, **arguments})


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"metric": "point_to_plan"}, "metric of 'scan' is 'point_to_plan'. Did you mean 'point_to_plane'?"),
        ({"max_distance": 0}, "max_distance of 'scan' is 0, expected a number above 0."),
        ({"max_angle": -5.0}, "max_angle of 'scan' is -5.0"),
        ({"chunk_size": 0}, "chunk_size of 'scan' is 0"),
        ({"refresh_distance": -1}, "refresh_distance of 'scan' is -1, expected 0 or more."),
        ({"type": "MeshHandler", "correspondence": "vertices"}, "correspondence of 'scan' is 'vertices'. Did you mean 'vertex'?"),
        ({"max_distanc": 1}, "The handler PointCloudHandler has no argument 'max_distanc'. Did you mean 'max_distance'?"),
    ],
)
def test_sentences_of_options(options, sentence):
    with pytest.raises(PresetError) as raised:
        build_handler({"type": "PointCloudHandler", "handler_key": "scan", "loss": LOSS, **options})
    assert str(raised.value).startswith(sentence)


def test_inputs_that_a_handler_cannot_use():
    keypoints = Keypoint3dMSEInput(torch.zeros(1, 24, 3), "smpl", handler_key="point_cloud")
    with pytest.raises(FittingError, match="The input 'point_cloud' is a Keypoint3dMSEInput, expected a PointCloudInput"):
        cloud().check_input(keypoints, "smpl_45")
    with pytest.raises(FittingError, match="The input 'mesh' is a PointCloudInput, expected a MeshInput"):
        MeshHandler(dict(LOSS)).check_input(PointCloudInput(above([[0.1]])), "smpl_45")


@pytest.mark.parametrize("n_outliers", [0, 40])
def test_a_scan_in_millimetres(n_outliers):
    person = torch.rand(1, 100, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([500.0, 1800.0, 300.0]) + 1e5
    person[:, :n_outliers] = torch.nan
    with pytest.raises(FittingError, match=r"The points of 'point_cloud' are \d+ m from their middle, .* Divide millimetres by 1000"):
        cloud().check_input(PointCloudInput(person), "smpl_45")
    cloud().check_input(PointCloudInput(person / 1000), "smpl_45")


def test_a_body_without_faces():
    with pytest.raises(FittingError, match="The body has no faces, which 'point_cloud' needs"):
        cloud()(related_input=PointCloudInput(above([[0.03]])), **{**body(), "model_faces": None})


def test_inputs_follow_the_registrant_to_its_device():
    for given in (PointCloudInput(above([[0.03]]), normals=above([[1.0]])), other_mesh(0.1)):
        tensors = [value for value in vars(given.to(torch.device("meta"))).values() if isinstance(value, torch.Tensor)]
        assert len(tensors) >= 3
        assert {tensor.device.type for tensor in tensors} == {"meta"}


@pytest.mark.parametrize("type_", ["PointCloudInput", PointCloudInput])
def test_by_name_and_by_class(type_):
    given = build_handler({"type": type_, "points": above([[0.03]])})
    assert (type(given), given.handler_key, given.get_batch_size()) == (PointCloudInput, "point_cloud", 1)
    assert {"PointCloudHandler", "MeshHandler", "MeshInput"} <= set(HANDLERS)
