import json
import os
import re
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from serkit.container import Format, TensorSpec, container_bytes, open_container
from serkit.errors import ProfileError

PROFILE = Format("serkit-profile", 3, "profile", max_bytes=4000, error=ProfileError)
SPECS = {"a": TensorSpec((2, 3)), "codes": TensorSpec((4,), ("U8",))}
DESCRIPTION = {"name": "Änne", "values": [1, 2.5, None]}


def tensors():
    return {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3) / 3,
        "codes": np.arange(4, dtype=np.uint8),
    }


def read(path, specs=SPECS, kind=PROFILE):
    with open_container(path, kind) as contents:
        return contents.description, contents.tensors(specs)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "anna.safetensors"
    path.write_bytes(container_bytes(PROFILE, DESCRIPTION, tensors()))
    return path


def refused(path, message, **options):
    """Read a file that is refused with one line that begins with its path."""
    with pytest.raises(ProfileError, match=message) as error:
        read(path, **options)
    assert str(error.value).startswith(f"{path}: ")
    assert "\n" not in str(error.value)


def test_a_file_comes_back_as_it_went(path):
    with open_container(os.fspath(path), PROFILE) as contents:
        assert contents.path == path
        assert contents.file_bytes == path.stat().st_size
        assert contents.description == {"format": "serkit-profile", "version": 3, **DESCRIPTION}
        found = contents.tensors(SPECS)
    for name, values in tensors().items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype


def test_the_same_content_is_the_same_bytes():
    assert container_bytes(PROFILE, DESCRIPTION, tensors()) == container_bytes(
        PROFILE, DESCRIPTION, tensors()
    )


def test_floats_are_stored_in_half_precision_where_that_is_exact(tmp_path):
    values = {
        "exact": np.array([0.5, -65504.0], np.float32),
        "fine": np.array([0.1], np.float32),
        "large": np.array([65520.0], np.float32),
        "strided": np.arange(8, dtype=np.float32)[::2],
    }
    content = container_bytes(PROFILE, {}, values)
    stored = {name: tensor.dtype for name, tensor in load(content).items()}
    assert stored == {
        "exact": np.float16, "fine": np.float32, "large": np.float32, "strided": np.float16
    }  # fmt: skip
    (tmp_path / "f").write_bytes(content)
    _, found = read(tmp_path / "f", {name: TensorSpec(v.shape) for name, v in values.items()})
    for name, expected in values.items():
        np.testing.assert_array_equal(found[name], expected)
        assert found[name].dtype == np.float32


@pytest.mark.parametrize("version", [2, 4, "3", 3.0, True, None])
def test_another_version_is_refused(path, version):
    path.write_bytes(container_bytes(PROFILE, DESCRIPTION | {"version": version}, tensors()))
    message = f"format version {version!r}; this serkit reads version 3: install the serkit that"
    refused(path, re.escape(message))


def test_another_format_is_refused(path):
    other = Format("serkit-basis", 3, "basis", max_bytes=4000, error=ProfileError)
    refused(path, "its description is not that of a serkit-basis", kind=other)


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ({"a": SPECS["a"]}, "missing none; unexpected codes"),
        (SPECS | {"b": TensorSpec((1,))}, "missing b; unexpected none"),
        (SPECS | {"a": TensorSpec((3, 2))}, r"a has shape \[2, 3\]; expected \[3, 2\]"),
        (SPECS | {"a": TensorSpec((6,))}, r"a has shape \[2, 3\]; expected \[6\]"),
        (SPECS | {"codes": TensorSpec((4,))}, "codes has type U8; expected F16 or F32"),
        (SPECS | {"a": TensorSpec((2, 3), ("U8",))}, "a has type F32; expected U8"),
    ],
)
def test_other_tensors_are_refused(path, specs, message):
    refused(path, message, specs=specs)


def test_a_name_of_a_stranger_is_shown_escaped_and_cut(path):
    path.write_bytes(container_bytes(PROFILE, {}, tensors() | {"\x1b[2J": np.zeros(1, np.uint8)}))
    refused(path, r"unexpected \\x1b\[2J")
    path.write_bytes(container_bytes(PROFILE, {}, tensors() | {"x" * 2000: np.zeros(1, np.uint8)}))
    refused(path, r"unexpected x{190,200}\.\.\.$")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_values_that_are_not_finite_are_refused(path, value, dtype):
    spoilt = tensors()["a"].astype(dtype)
    spoilt[1, 2] = value
    path.write_bytes(container_bytes(PROFILE, {}, tensors() | {"a": spoilt}))
    refused(path, "a holds numbers that are not finite")


def test_a_file_that_is_too_large_is_refused_unread(path):
    content = path.read_bytes()
    path.write_bytes(content + bytes(PROFILE.max_bytes + 1 - len(content)))
    refused(path, "4001 bytes; a profile file has at most 4000 bytes")


def test_what_is_no_regular_file_is_refused(tmp_path):
    refused(tmp_path / "none", "no such file")
    refused(tmp_path, "is a directory; expected a profile file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "is a pipe or a device; expected a profile file")
    with pytest.raises(ProfileError, match="cannot be opened"):
        read(tmp_path / "nul\0byte")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "its description is not plain JSON"),
        ('{"format": NaN}', "its description is not plain JSON"),
        ("[]", "its description is not that of a serkit-profile"),
        ("{}", "its description is not that of a serkit-profile"),
        ("[" * 5, "its description is not plain JSON"),
    ],
)
def test_another_description_is_refused(path, text, message):
    path.write_bytes(save(tensors(), metadata={"serkit": text}))
    refused(path, message)


def test_a_safetensors_file_of_others_is_refused(path):
    for metadata in (None, {"format": "pt"}):
        path.write_bytes(save(tensors(), metadata=metadata))
        refused(path, "a safetensors file without the entry 'serkit' in its metadata; expected a")


def test_a_damaged_file_is_refused(path):
    whole = path.read_bytes()
    for content in (b"", whole[:7], whole[:100], whole[:-1], whole + b"\0", b"\x80\x02" + whole):
        path.write_bytes(content)
        refused(path, "not a profile file, or truncated or damaged")


def test_a_header_cannot_claim_more_than_the_file_holds(path):
    """The header says 1 TB of zeros; nothing of that size may be allocated."""
    header = json.dumps(
        {
            "__metadata__": {"serkit": '{"format": "serkit-profile", "version": 3}'},
            "a": {"dtype": "F32", "shape": [1 << 38], "data_offsets": [0, 1 << 40]},
        }
    ).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    refused(path, "truncated or damaged", specs={"a": TensorSpec((1 << 38,))})
    path.write_bytes(struct.pack("<Q", 1 << 62) + header)
    refused(path, "truncated or damaged")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255))
def test_a_changed_byte_causes_nothing_but_the_error_of_the_format(tmp_path, place, value):
    content = bytearray(container_bytes(PROFILE, DESCRIPTION, tensors()))
    content[place % len(content)] = value
    path = tmp_path / "changed.safetensors"
    path.write_bytes(content)
    try:
        _, found = read(path)
    except ProfileError:
        return
    assert {name: (v.shape, v.dtype.kind) for name, v in found.items()} == {
        "a": ((2, 3), "f"), "codes": ((4,), "u")
    }  # fmt: skip
