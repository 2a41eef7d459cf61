"""The search is held against a comparison of all with all."""

import pytest
import torch

from fitting.handlers.closest_points import TriangleSearch, closest_on_triangles, nearest_points

SQUARE = torch.tensor([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0], [0.1, 0.1, 0.0], [0.0, 0.1, 0.0]])
TWO_TRIANGLES = torch.tensor([[0, 1, 2], [0, 2, 3]])


def random_points(count, seed=0):
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def distances(queries, points, indices):
    return (queries - points[indices]).norm(dim=-1)


def assert_nearest(queries, points, found):
    all_distances = (queries[:, None].double() - points.double()).norm(dim=-1)
    torch.testing.assert_close(distances(queries, points, found).double(), all_distances.min(1).values, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("size", [0.005, 0.05, 0.5, 50.0, 5000.0])
@pytest.mark.parametrize("away", [0.0, 0.01, 3.0])
def test_nearest_points(size, away):
    """Clouds of a few millimetres to some kilometres, with queries among the points and far outside."""
    points = size * random_points(500)
    queries = torch.cat([size * random_points(200, 1), points[:50]]) + away
    assert_nearest(queries, points, nearest_points(queries, points))


@pytest.mark.parametrize("chunk_size", [1, 7, 1000])
def test_chunks_change_nothing(chunk_size):
    points, queries = 0.1 * random_points(300), 0.1 * random_points(200, 1)
    whole = nearest_points(queries, points, 0.05)
    assert (whole >= 0).any()
    assert (whole < 0).any()
    assert torch.equal(nearest_points(queries, points, 0.05, chunk_size), whole)


@pytest.mark.parametrize("chunk_size", [1 << 8, 1 << 12])
def test_chunks_bound_the_number_of_pairs(chunk_size, monkeypatch):
    points, queries = 0.1 * random_points(200), 0.1 * random_points(300, 1)
    compared = []
    index_select = torch.Tensor.index_select
    monkeypatch.setattr(
        torch.Tensor, "index_select", lambda self, dim, index: compared.append(len(index)) or index_select(self, dim, index)
    )
    cdist = torch.cdist
    monkeypatch.setattr(torch, "cdist", lambda a, b: compared.append(len(a) * len(b)) or cdist(a, b))
    nearest_points(queries, points, chunk_size=chunk_size)
    assert len(compared) > 10
    assert max(compared) <= chunk_size


@pytest.mark.parametrize("max_distance", [0.003, 0.01, 0.03, 0.1, 0.5])
def test_the_largest_distance(max_distance):
    points, queries = 0.3 * random_points(400), 0.3 * random_points(300, 1)
    nearest = (queries[:, None] - points).norm(dim=-1).min(1).values
    found = nearest_points(queries, points, max_distance)
    assert torch.equal(found >= 0, nearest <= max_distance)
    assert_nearest(queries[found >= 0], points, found[found >= 0])


def test_one_point_and_no_query():
    assert nearest_points(random_points(5), torch.ones(1, 3)).tolist() == [0] * 5
    assert nearest_points(torch.zeros(0, 3), torch.ones(1, 3)).shape == (0,)


@pytest.mark.parametrize(
    ("point", "barycentric"),
    [
        ((0.25, 0.25, 5.0), (0.5, 0.25, 0.25)),
        ((-1.0, -2.0, 1.0), (1, 0, 0)),
        ((3.0, -1.0, 1.0), (0, 1, 0)),
        ((-1.0, 3.0, 1.0), (0, 0, 1)),
        ((0.25, -1.0, 0.0), (0.75, 0.25, 0)),
        ((-1.0, 0.25, 0.0), (0.75, 0, 0.25)),
        ((1.0, 1.0, 0.0), (0, 0.5, 0.5)),
        ((0.5, 0.5, -2.0), (0, 0.5, 0.5)),
    ],
    ids=["inside", "corner 0", "corner 1", "corner 2", "edge 01", "edge 02", "edge 12", "above an edge"],
)
def test_closest_on_a_triangle(point, barycentric):
    triangle = torch.tensor([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    weights, square = closest_on_triangles(torch.tensor(point), triangle)
    torch.testing.assert_close(weights, torch.tensor(barycentric, dtype=torch.float32))
    torch.testing.assert_close(square, (torch.tensor(point) - weights @ triangle).square().sum())


def test_no_point_of_a_triangle_is_nearer():
    queries, triangles = random_points(100), random_points(300, 1).view(100, 3, 3)
    weights, squares = closest_on_triangles(queries, triangles)
    assert weights.min() >= -1e-6
    torch.testing.assert_close(weights.sum(-1), torch.ones(100))
    steps = torch.cartesian_prod(*[torch.linspace(0, 1, 60)] * 2)
    steps = steps[steps.sum(1) <= 1]
    samples = torch.cat([1 - steps.sum(1, keepdim=True), steps], 1) @ triangles
    sampled = (samples - queries[:, None]).norm(dim=-1).min(1).values
    assert (squares.sqrt() <= sampled + 1e-5).all()
    assert (squares.sqrt() >= sampled - 0.05).all()


@pytest.mark.parametrize("corners", [[[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[1, 0, 0]] * 3], ids=["a line", "a point"])
def test_triangles_without_area(corners):
    triangle = torch.tensor(corners, dtype=torch.float32)
    weights, square = closest_on_triangles(torch.tensor([1.0, 2.0, 0.0]), triangle)
    torch.testing.assert_close(weights @ triangle, torch.tensor([1.0, 0.0, 0.0]))
    assert square == 4


def test_closest_points_of_a_square():
    queries = torch.tensor([[0.08, 0.02, 0.01], [0.02, 0.08, -0.01], [0.5, 0.05, 0.0]])
    triangles, barycentric = TriangleSearch(TWO_TRIANGLES, 4).closest(queries, SQUARE)
    found = (SQUARE[TWO_TRIANGLES[triangles]] * barycentric[..., None]).sum(1)
    assert triangles.tolist()[:2] == [0, 1]
    torch.testing.assert_close(found, torch.tensor([[0.08, 0.02, 0.0], [0.02, 0.08, 0.0], [0.1, 0.05, 0.0]]))
    assert TriangleSearch(TWO_TRIANGLES, 4).closest(queries, SQUARE, 0.3)[0].tolist() == [*triangles.tolist()[:2], -1]


def test_vertices_without_a_triangle_are_not_found():
    vertices = torch.cat([torch.full((3, 3), 0.05), SQUARE, torch.full((3, 3), 0.05)])
    triangles, barycentric = TriangleSearch(TWO_TRIANGLES + 3, 10).closest(torch.full((1, 3), 0.05), vertices)
    found = (vertices[(TWO_TRIANGLES + 3)[triangles]] * barycentric[..., None]).sum(1)
    torch.testing.assert_close(found, torch.tensor([[0.05, 0.05, 0.0]]))


@pytest.mark.parametrize("away", [0.002, 0.05])
def test_closest_points_of_the_body(body, random_poses, away):
    """The search is nearly exact: a few in a hundred miss the very closest triangle, and find one next to it."""
    with torch.no_grad():
        vertices = body(**random_poses(1), return_verts=True).vertices[0]
    faces = torch.as_tensor(body.data.faces, dtype=torch.long)
    queries = vertices[torch.randint(len(vertices), (150,), generator=torch.Generator().manual_seed(1))] + away * random_points(150)
    triangles, barycentric = TriangleSearch(faces, len(vertices)).closest(queries, vertices)
    found = ((vertices[faces[triangles]] * barycentric[..., None]).sum(1) - queries).norm(dim=1)
    exact = torch.cat([closest_on_triangles(query, vertices[faces])[1].min()[None] for query in queries]).sqrt()
    missed = found - exact
    assert missed.min() > -1e-5
    assert (missed > 1e-5).float().mean() < 0.08
    assert missed.mean() < 1e-4
    assert missed.max() < 0.005
