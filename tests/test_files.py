import os

import pytest

from serkit.files import lies_within, read_bounded


def test_maximum_size(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    assert read_bounded(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_bounded(path, 4)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("pipe", "pipe or a device"), ("zero", "pipe or a device"), ("folder", "folder"),
     ("gone", "No such file"), ("a\0b", "not a valid file name")],
)  # fmt: skip
def test_not_a_readable_file(tmp_path, name, problem):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=problem) as refused:
        read_bounded(tmp_path / name, 100)
    assert refused.value.strerror


def test_lies_within_resolves_links(tmp_path):
    root = tmp_path / "root"
    (root / "a").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "in").symlink_to(root / "a")
    (root / "circle").symlink_to(root / "circle")
    (tmp_path / "link").symlink_to(root)
    assert lies_within(root / "a" / "x", root)
    assert lies_within(root / "in" / "x", root)
    assert lies_within(tmp_path / "link" / "a", root)
    assert lies_within(root / "a", tmp_path / "link")
    assert not lies_within(root / "out" / "x", root)
    assert not lies_within(root / ".." / "x", root)
    assert not lies_within(tmp_path / "rootless", root)
    assert not lies_within(root / "circle", root)
    assert not lies_within(root / "a\0b", root)
