import pytest

from fitting.errors import PresetError
from fitting.registry import Registry


@pytest.fixture
def shapes():
    return Registry("shape")


@pytest.fixture
def square(shapes):
    @shapes.register
    class Square:
        def __init__(self, side, colour="red", *, name=None):
            self.side, self.colour, self.name = side, colour, name

    return Square


def test_builds_by_name(shapes, square):
    built = shapes.build({"type": "Square", "side": 2})
    assert type(built) is square
    assert (built.side, built.colour) == (2, "red")


def test_builds_by_class_that_was_never_registered(shapes):
    class Circle:
        def __init__(self, radius):
            self.radius = radius

    assert shapes.build({"type": Circle, "radius": 3}).radius == 3


def test_an_object_is_handed_back(shapes, square):
    built = square(1)
    assert shapes.build(built) is built


def test_config_is_left_unchanged(shapes, square):
    config = {"type": "Square", "side": 2}
    shapes.build(config, colour="blue")
    assert config == {"type": "Square", "side": 2}


def test_defaults_fill_gaps_only(shapes, square):
    assert shapes.build({"type": "Square", "side": 2}, colour="blue", unknown=1).colour == "blue"
    assert shapes.build({"type": "Square", "side": 2, "colour": "green"}, colour="blue").colour == "green"


def test_class_with_any_keyword_takes_any_keyword(shapes):
    @shapes.register
    class Open:
        def __init__(self, **kwargs):
            self.kwargs = kwargs

    assert shapes.build({"type": "Open", "a": 1, "b": 2}).kwargs == {"a": 1, "b": 2}


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"type": "Sqare", "side": 1}, "There is no shape of type 'Sqare'. Did you mean 'Square'?"),
        ({"type": "Hexagon", "side": 1}, "There is no shape of type 'Hexagon'. Known: 'Square'."),
        ({"type": "Square", "side": 1, "color": "red"}, "The shape Square has no argument 'color'. Did you mean 'colour'?"),
        ({"type": "Square"}, "The shape Square needs 'side'. Add it to its config."),
        ({"side": 1}, "A shape config has no 'type': {'side': 1}. Known: Square."),
        ({"type": 5}, "A shape config has type = 5, expected a name or a class. Known: Square."),
    ],
)
def test_sentences(shapes, square, config, sentence):
    with pytest.raises(PresetError) as raised:
        shapes.build(config)
    assert str(raised.value) == sentence


def test_names_are_listed_sorted(shapes, square):
    @shapes.register
    class Circle:
        pass

    assert list(shapes) == ["Circle", "Square"]
    assert "Circle" in shapes
    assert "Triangle" not in shapes


def test_two_classes_of_one_name_in_two_modules(shapes, square):
    with pytest.raises(PresetError, match=r"two shape classes named 'Square': in .*test_registry and in elsewhere"):
        shapes.register(type("Square", (), {"__module__": "elsewhere"}))
    assert shapes.get("Square") is square


def test_the_same_class_defined_anew_replaces_the_old(shapes, square):
    newer = type("Square", (), {"__module__": square.__module__})
    shapes.register(newer)
    assert shapes.get("Square") is newer
