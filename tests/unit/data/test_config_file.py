import copy
import json
import threading

import pytest

from fitting.data.config_file import Config, load_config
from fitting.errors import PresetError


@pytest.fixture
def write(tmp_path):
    def write(source, name="config.py"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(source, encoding="utf-8")
        return path

    return write


def sentence_of(path):
    with pytest.raises(PresetError) as raised:
        load_config(path)
    return str(raised.value)


@pytest.mark.parametrize(
    ("source", "values"),
    [
        ("", {}),
        ("'''Documented.'''\nlogger = None\n", {"logger": None}),
        ("a = True; b = -1.5; c = 'x' 'y'; d = not False", {"a": True, "b": -1.5, "c": "xy", "d": True}),
        ("a = [1, (2, 3), {4}, {'k': 5}]", {"a": [1, (2, 3), {4}, {"k": 5}]}),
        ("a = dict(x=1, y=dict(z=2))", {"a": {"x": 1, "y": {"z": 2}}}),
        ("a = b = [1]", {"a": [1], "b": [1]}),
        ("a: int = 1", {"a": 1}),
        ("a = 4.78**2", {"a": 4.78**2}),
        ("a = 2**-1 + 7 // 2 * 3 - 1 / 4 % 1", {"a": 2**-1 + 7 // 2 * 3 - 1 / 4 % 1}),
        ("a = 'x' + 'y' * 2; b = [1] * 2 + 2 * [2]; c = (1,) + (2,)", {"a": "xyy", "b": [1, 1, 2, 2], "c": (1, 2)}),
        ("n = 3; a = f'v{n}_{1.5}'", {"n": 3, "a": "v3_1.5"}),
        ("a = dict(x=1); b = dict(**a, y=2); c = {**a, 'x': 3}; d = dict(b, x=4)", {
            "a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 3}, "d": {"x": 4, "y": 2},
        }),
        ("a = dict(x=1) | dict(x=2, y=3)", {"a": {"x": 2, "y": 3}}),
        ("a = [1, 2]; b = [0, *a, *(3,)]; del a", {"b": [0, 1, 2, 3]}),
        ("a = [dict(x=1), 2, 3]; b = a[0]['x']; c = a[1:]; d = 'abc'[::-1]", {"a": [{"x": 1}, 2, 3], "b": 1, "c": [2, 3], "d": "cba"}),
        ("a = 1; a = [a]", {"a": [1]}),
        ("a = [] * 10**12; b = '' * 10**12; c = [1] * -5", {"a": [], "b": "", "c": []}),
        ("__version__ = '1'; _own = 2", {"_own": 2}),
        ("type = 'A'; a = dict(type=type)", {"type": "A", "a": {"type": "A"}}),
    ],
)  # fmt: skip
def test_what_python_would_give(write, source, values):
    path = write(source)
    assert load_config(path) == values
    names = {}
    exec(source, names)
    assert {name: value for name, value in names.items() if not name.startswith("__")} == values


def test_values_do_not_share_their_parts(write):
    config = load_config(write("a = dict(x=[1]); b = [a, a] + [a] * 2"))
    config["b"][0]["x"].append(2)
    assert config == {"a": {"x": [1]}, "b": [{"x": [1, 2]}, {"x": [1]}, {"x": [1]}, {"x": [1]}]}


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("a = 1\nimport os", "Line 2 of 'config.py' imports something (import os). A config is read without being run: write the"),
        ("from os import system", "Line 1 of 'config.py' imports something (from os import system)."),
        ("import os; os.system('rm -rf /')", "Line 1 of 'config.py' imports something"),
        ("a = [\n  os.system('ls')]", "Line 2 of 'config.py' calls a function (os.system('ls'))."),
        ("__import__('os').system('ls')", "Line 1 of 'config.py' calls a function (__import__('os').system('ls'))."),
        ("a = ().__class__.__bases__", "Line 1 of 'config.py' reads an attribute (().__class__.__bases__)."),
        ("a = 1\nb = a.real", "Line 2 of 'config.py' reads an attribute (a.real)."),
        ("a = float('inf')", "Line 1 of 'config.py' calls a function (float('inf'))."),
        ("a = dict.fromkeys('ab')", "Line 1 of 'config.py' calls a function"),
        ("dict = 1", "Line 1 of 'config.py' gives 'dict' another meaning (dict = 1). Choose another name."),
        ("def f(): pass", "Line 1 of 'config.py' defines a function (def f(): pass)."),
        ("class A: pass", "Line 1 of 'config.py' defines a class"),
        ("a = lambda: 1", "Line 1 of 'config.py' defines a function (lambda: 1)."),
        ("a = [x for x in 'ab']", "Line 1 of 'config.py' has a comprehension"),
        ("for i in [1]: a = i", "Line 1 of 'config.py' has a loop"),
        ("while True: pass", "Line 1 of 'config.py' has a loop"),
        ("if True:\n    a = 1", "Line 1 of 'config.py' has a condition (if True:)."),
        ("a = 1 if True else 2", "Line 1 of 'config.py' has a condition"),
        ("a = 1 < 2", "Line 1 of 'config.py' has a condition"),
        ("a = 1 and 2", "Line 1 of 'config.py' has a condition"),
        ("with a: pass", "Line 1 of 'config.py' has more than plain values"),
        ("a = (b := 1)", "Line 1 of 'config.py' has more than plain values (b := 1)."),
        ("a = b'1'", "Line 1 of 'config.py' has more than plain values (b'1')."),
        ("a = ...", "Line 1 of 'config.py' has more than plain values (...)."),
        ("a = ~1", "Line 1 of 'config.py' has more than plain values (~1)."),
        ("a, b = 1, 2", "Line 1 of 'config.py' changes something else than a whole name (a, b = 1, 2). Write name = value."),
        ("a = [1]\na[0] = 2", "Line 2 of 'config.py' changes something else than a whole name (a[0] = 2)."),
        ("a = 1\na += 1", "Line 2 of 'config.py' changes something else than a whole name (a += 1)."),
        ("1", "Line 1 of 'config.py' has a value without a name (1). Write name = value."),
        ("del a", "Line 1 of 'config.py' uses a name that is not defined above it (del a)."),
        ("sigma = 1\na = sigm", "Line 2 of 'config.py' uses a name that is not defined above it (sigm). Did you mean 'sigma'?"),
        ("a = b\nb = 1", "Line 1 of 'config.py' uses a name that is not defined above it (b)."),
        (
            "handlers = [\n  dict(\n    type=Keypoint3dMSEHandler)]",
            "Line 3 of 'config.py' gives a class as the type (Keypoint3dMSEHandler). Write its name in quotes: 'Keypoint3dMSEHandler'.",
        ),
        ("a = {'type': Loss}", "Line 1 of 'config.py' gives a class as the type (Loss). Write its name in quotes: 'Loss'."),
        ("a = dict(x=1, x=2)", "Line 1 of 'config.py' gives 'x' twice in one dict() (2)."),
        ("a = dict(x=1); b = dict(**a, x=2)", "Line 1 of 'config.py' gives 'x' twice in one dict() (2)."),
        ("a = dict([('x', 1)])", "Line 1 of 'config.py' spreads something that is no dict"),
        ("a = dict({}, {})", "Line 1 of 'config.py' calls dict() with more than one value"),
        ("a = {**[1]}", "Line 1 of 'config.py' spreads something that is no dict ([1])."),
        ("a = [*1]", "Line 1 of 'config.py' spreads something that is no list (*1)."),
        ("a = {1: 2}", "Line 1 of 'config.py' has a key that is no text (1). Write it in quotes."),
        ("a = {[1]}", "Line 1 of 'config.py' puts a list or a dict into a set ({[1]}). Write a list."),
        ("a = [1][1]", "Line 1 of 'config.py' asks for an item that is not there ([1][1])."),
        ("a = {}['x']", "Line 1 of 'config.py' asks for an item that is not there"),
        ("a = 1[0]", "Line 1 of 'config.py' asks for an item that is not there"),
        ("a = -'x'", "Line 1 of 'config.py' computes with something that is no number (-'x')."),
        ("a = 'x' + 1", "Line 1 of 'config.py' combines a str and a int in a way that is not known ('x' + 1)."),
        ("a = 1 << 99", "Line 1 of 'config.py' combines a int and a int in a way that is not known (1 << 99)."),
        ("a = '%9999999999d' % 1", "Line 1 of 'config.py' combines a str and a int in a way that is not known"),
        ("a = f'{1:9999999999d}'", "Line 1 of 'config.py' formats a value"),
        ("a = f'{1!r}'", "Line 1 of 'config.py' formats a value"),
        ("a = f'{[1]}'", "Line 1 of 'config.py' formats a value"),
        ("a = 1 / 0", "Line 1 of 'config.py' cannot be computed: division by zero (1 / 0)."),
        ("a = 10.0 ** 999", "Line 1 of 'config.py' cannot be computed: "),
        ("a = (-1) ** 0.5", "Line 1 of 'config.py' computes a complex number ((-1) ** 0.5)."),
        ("a = 1\nb = (", "Line 2 of 'config.py' is not Python ('(' was never closed). Correct it."),
        ("a = 1\0", "Line 1 of 'config.py' is not Python (source code string cannot contain null bytes)."),
    ],
)  # fmt: skip
def test_what_would_have_to_be_run_is_refused_by_line(write, source, sentence):
    assert sentence_of(write(source)).startswith(sentence)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a = 9**9**9", "computes too large a number"),
        ("a = 2**65", "computes too large a number"),
        ("a = " + "*".join(["9999999999"] * 9), "has too large a number"),
        ("a = 0x" + "f" * 100_000, "has too large a number"),
        ("a = " + "9" * 5_000, "is not Python"),
        ("a = 'x' * 10**9", "makes more than 100000 values"),
        ("a = [0] * 10**9", "makes more than 100000 values"),
        ("a = [0] * 1000\nb = [a] * 1000", "Line 2 of 'config.py' makes more than 100000 values ([a] * 1000)"),
        ("a0 = ['lol'] * 10\n" + "\n".join(f"a{n + 1} = [a{n}] * 10" for n in range(30)), "makes more than 100000 values"),
        ("a = dict(x=1)\n" + "a = dict(x=a, y=a)\n" * 60, "makes more than 100000 values"),
        ("a = 'x' * 1000\n" + "a = a + a\n" * 40, "makes more than 100000 values"),
        ("a = 'x' * 1000\n" + "a = f'{a}{a}'\n" * 40, "makes more than 100000 values"),
        ("a = " + "[" * 60 + "]" * 60, "is nested deeper than 50 levels"),
        ("a = " + "[" * 100_000 + "]" * 100_000, "is not Python (too many nested parentheses)"),
        ("a = " + "-" * 100_000 + "1", "cannot be read"),
        ("a = " + "+".join("1" * 50_000), "cannot be read"),
        ("a = x" + ".y" * 50_000, "cannot be read"),
        ("a = x" + "[0]" * 50_000, "cannot be read"),
        ("a = 1 #" + " " * (1 << 20), "is larger than 1 MB"),
    ],
)
def test_hostile_configs_are_refused_soon(write, source, words):
    path = write(source)
    sentences = []
    thread = threading.Thread(target=lambda: sentences.append(sentence_of(path)), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert words in sentences[0]


def test_a_config_starts_from_its_bases(write):
    write(
        "n = 1\nbody = dict(gender='male', size=dict(x=1, y=2))\nlist = [dict(a=1), dict(b=2)]\nloss = dict(type='A', sigma=1)", "base.py"
    )
    write('{"optimizer": {"type": "LBFGS", "lr": 1}}', "more.json")
    source = """
    _base_ = ['base.py', './more.json']
    n = 2
    body = dict(size=dict(y=3))
    list = [dict(c=3)]
    loss = dict(_delete_=True, type='B')
    fresh = dict(_delete_=True, inner=dict(_delete_=True, z=1))
    """.replace("\n    ", "\n")
    assert load_config(write(source)) == {
        "n": 2,
        "body": {"gender": "male", "size": {"x": 1, "y": 3}},
        "list": [{"c": 3}],
        "loss": {"type": "B"},
        "optimizer": {"type": "LBFGS", "lr": 1},
        "fresh": {"inner": {"z": 1}},
    }


def test_bases_are_relative_to_the_file_or_absolute(write, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    write("n = 1", "base.py")
    write("_base_ = '../base.py'", "inner/middle.py")
    assert load_config(write("_base_ = 'inner/middle.py'\nm = 2")) == {"n": 1, "m": 2}
    assert load_config(write(f"_base_ = {str(tmp_path / 'base.py')!r}")) == {"n": 1}


def test_json_has_bases_too(write):
    write(json.dumps({"a": {"x": 1, "y": 2}}), "base.json")
    assert load_config(write(json.dumps({"_base_": "base.json", "a": {"x": 3}}), "config.json")) == {"a": {"x": 3, "y": 2}}


def test_a_name_of_a_base_is_not_a_name_of_the_file(write):
    write("n = 1", "base.py")
    assert "uses a name that is not defined above it" in sentence_of(write("_base_ = 'base.py'\nm = n"))


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"config.py": "_base_ = 'config.py'"}, "The config 'config.py' is a base twice, or of itself."),
        ({"config.py": "_base_ = 'b.py'", "b.py": "_base_ = './config.py'"}, "The config 'config.py' is a base twice, or of itself."),
        ({"config.py": "_base_ = ['b.py', 'b.py']", "b.py": ""}, "The config 'b.py' is a base twice, or of itself."),
        ({"config.py": "_base_ = ['b.py', 'c.py']", "b.py": "n = 1", "c.py": "n = 1"}, "Two bases of 'config.py' give 'n'. Keep it in one"),
        ({"config.py": "_base_ = 5"}, "The config 'config.py' has _base_ = 5, expected the path of a config, or a list of paths."),
        ({"config.py": "_base_ = ['b.py', None]"}, "The config 'config.py' has _base_ = ['b.py', None], expected the path"),
        ({"config.py": "_base_ = 'b.yaml'"}, "'b.yaml' is no config, expected a file of type .py or .json."),
        ({"config.py": "_base_ = 'b.py'", "b.py": "\nimport os"}, "Line 2 of 'b.py' imports something (import os)."),
        (
            {"config.py": "_base_ = 'b.py'\na = dict(x=1)", "b.py": "a = [1]"},
            "The config 'config.py' gives 'a' as a dict, but its base gives a list. Write _delete_=True into the dict",
        ),
        (
            {"config.py": "_base_ = '0.py'"} | {f"{n}.py": f"_base_ = '{n + 1}.py'" for n in range(60)},
            "The config 'config.py' has more than 49 bases.",
        ),
        (
            {"config.py": "_base_ = ['b.py', 'c.py']", "b.py": "b = [0] * 60_000", "c.py": "c = [0] * 60_000"},
            "Line 1 of 'c.py' makes more than 100000 values",
        ),
    ],
)  # fmt: skip
def test_bases_that_are_refused(write, files, sentence):
    for name, source in files.items():
        write(source, name)
    assert sentence_of(write(files["config.py"])).startswith(sentence)


@pytest.mark.parametrize("name", ["loop.py", "folder.py", "null\\0.py", "x" * 5000 + ".py"])
def test_bases_that_are_no_files(write, tmp_path, name):
    (tmp_path / "loop.py").symlink_to(tmp_path / "loop.py")
    (tmp_path / "folder.py").mkdir()
    assert " config " in sentence_of(write(f"_base_ = '{name}'"))


def test_a_missing_base_is_named(write, tmp_path):
    assert sentence_of(write("_base_ = 'no.py'")) == f"There is no config {str(tmp_path / 'no.py')!r}. Check the path."


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("[" * 100_000, "The config 'config.json' is not valid JSON ("),
        ('{"a": ' * 60 + "1" + "}" * 60, "The config 'config.json' is nested deeper than 50 levels."),
        ("[1]", "The config 'config.json' holds a list, expected {...}."),
        ("{", "The config 'config.json' is not valid JSON (Expecting property name"),
    ],
)
def test_wrong_json(write, content, sentence):
    assert sentence_of(write(content, "config.json")).startswith(sentence)


def test_a_file_that_is_not_utf8(tmp_path):
    (tmp_path / "config.py").write_bytes(b"a = '\xff'")
    assert sentence_of(tmp_path / "config.py").startswith("The config 'config.py' is not UTF-8 text (")


def test_a_byte_order_mark_is_no_matter(tmp_path):
    (tmp_path / "config.py").write_bytes("\ufeffa = 'é'".encode())
    assert load_config(tmp_path / "config.py") == {"a": "é"}


def test_attributes_at_every_depth(write):
    config = Config.fromfile(write("type = 'A'\noptimizer = dict(lr=1)\nhandlers = [dict(loss=dict(sigma=2))]\nt = (dict(x=3),)"))
    assert config.type == "A"
    assert (config.optimizer.lr, config.handlers[0].loss.sigma, config.t[0].x) == (1, 2, 3)
    assert dict(config) == {"type": "A", "optimizer": {"lr": 1}, "handlers": [{"loss": {"sigma": 2}}], "t": ({"x": 3},)}
    config.optimizer.lr = 5
    config.fresh = {"deep": {"er": 1}}
    del config.type
    assert (config["optimizer"]["lr"], config.fresh.deep.er, "type" in config) == (5, 1, False)
    assert copy.deepcopy(config).optimizer.lr == 5
    with pytest.raises(AttributeError, match=r"The config has no 'optimiser'\. Did you mean 'optimizer'\?"):
        _ = config.optimiser
    assert not hasattr(Config(), "anything")
