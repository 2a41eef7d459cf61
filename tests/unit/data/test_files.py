import io
import os
import stat
import sys
import zipfile

import numpy as np
import pytest

from fitting.data import files
from fitting.data.files import atomic_path, read_npz, write_npz
from fitting.errors import FittingError, TrackError


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_there_when_it_is_whole(tmp_path):
    path = tmp_path / "result.json"
    with atomic_path(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".json"
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["result.json"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "result.json"
    path.write_text("old")

    def fail():
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["result.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_file_has_ordinary_permissions(tmp_path):
    path = tmp_path / "result.json"
    before = os.umask(0o027)
    try:
        with atomic_path(path):
            pass
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_missing_folder(tmp_path):
    with pytest.raises(FittingError) as raised, atomic_path(tmp_path / "no" / "result.json"):
        pass
    assert str(raised.value) == (
        f"Cannot write {str(tmp_path / 'no' / 'result.json')!r}: No such file or directory. "
        "Choose a folder that exists and that you may write to."
    )


def test_arrays_come_back_exactly(tmp_path):
    arrays = {
        "floats": np.array([[1.5, np.nan, -0.0]], np.float32),
        "doubles": np.array(np.pi),
        "text": np.array(["left", "right"]),
        "number": 30.0,
        "word": "metres",
        "empty": np.zeros((0, 3)),
    }
    write_npz(tmp_path / "a.npz", arrays)
    found = read_npz(tmp_path / "a.npz")
    assert set(found) == set(arrays)
    for key, value in arrays.items():
        assert found[key].dtype == np.asarray(value).dtype
        np.testing.assert_array_equal(found[key], value)
    assert names(tmp_path) == ["a.npz"]


def test_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match=r"\['what'\] hold Python objects"):
        write_npz(tmp_path / "a.npz", {"fine": 1, "what": np.array([None, {}])})
    assert names(tmp_path) == []


def test_objects_are_not_read(tmp_path):
    """Nothing is unpickled: entries that would have to be are left out."""
    marker = tmp_path / "unpickled"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(marker),)

    np.savez(tmp_path / "a.npz", points=np.ones(3), trap=np.array([Trap()], dtype=object))
    found = read_npz(tmp_path / "a.npz")
    assert list(found) == ["points"]
    assert not marker.exists()


def test_sizes_are_not_trusted(tmp_path, monkeypatch):
    """An archive that unpacks to more than it may is refused before it is unpacked."""
    monkeypatch.setattr(files, "MAX_ARRAY_BYTES", 10**6)
    write_npz(tmp_path / "bomb.npz", {"zeros": np.zeros(10**6)})
    assert (tmp_path / "bomb.npz").stat().st_size < 20_000
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was opened"))
    with pytest.raises(TrackError, match=r"'bomb.npz' unpacks to 0.0 GB. Files of up to 2 GB are read: cut the take into parts."):
        read_npz(tmp_path / "bomb.npz", TrackError)


def a_whole_file():
    buffer = io.BytesIO()
    np.savez_compressed(buffer, points=np.arange(3000.0))
    return buffer.getvalue()


def a_flipped_bit():
    data = bytearray(a_whole_file())
    data[len(data) // 2] ^= 0xFF
    return bytes(data)


def not_an_array():
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("points.npy", b"\x93NUMPY\x01\x00\xff\xff nonsense")
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"no archive", a_whole_file()[:500], a_flipped_bit(), not_an_array()],
    ids=["empty", "text", "cut", "flipped", "no array"],
)
def test_damaged_files(tmp_path, content):
    (tmp_path / "take.npz").write_bytes(content)
    with pytest.raises(TrackError, match=r"'take.npz' is not a readable .npz file \(.*\). Export or download it again."):
        read_npz(tmp_path / "take.npz", TrackError)


def test_a_missing_file(tmp_path):
    for path in (tmp_path / "none.npz", tmp_path):
        with pytest.raises(TrackError) as raised:
            read_npz(path, TrackError)
        assert str(raised.value) == f"There is no file {str(path)!r}. Check the path."
