import json
import re
from pathlib import Path

import pytest

from serkit.serving.settings import Settings, SettingsError, settings_of
from serkit.serving.tokens import Tokens, bearer

from command import in_process


def test_flags_come_before_the_environment_and_that_before_the_file(tmp_path, monkeypatch):
    file = tmp_path / "serve.yaml"
    file.write_text("port: 1\nmax_pending: 2\nmax_streams: 3\nmodels: [tiny-mel]\n")
    monkeypatch.setenv("SERKIT_SERVE_MAX_PENDING", "20")
    monkeypatch.setenv("SERKIT_SERVE_PORT", "10")
    settings = settings_of({"port": 100}, file)
    assert (settings.port, settings.max_pending, settings.max_streams) == (100, 20, 3)
    assert settings.models == ("tiny-mel",)


@pytest.mark.parametrize("text", ["models = ['emodb7']\nport = 5\n", None])
def test_toml_and_what_print_config_prints(tmp_path, text):
    file = tmp_path / "serve.toml"
    file.write_text(text or "")
    if text is None:
        file = tmp_path / "serve.json"
        file.write_text(settings_of({"port": 5, "models": ("emodb7",)}).model_dump_json())
    assert settings_of({}, file) == settings_of({"port": 5, "models": "emodb7"})


def test_names_separated_by_commas(monkeypatch):
    monkeypatch.setenv("SERKIT_SERVE_MODELS", "tiny, emodb7")
    assert settings_of({}).models == ("tiny", "emodb7")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"prot": 1}, "'prot'"),
        ({"port": 70_000}, "port is 70000"),
        ({"port": "x"}, "port is 'x'"),
        ({"models": ""}, "models"),
        ({"host": "0.0.0.0"}, "tokens"),
        ({"host": "server.example"}, "tokens"),
        ({"tls_key": "k.pem"}, "tls_certificate"),
        ({"asr": "magic"}, "asr is 'magic'"),
        ({"deadline_s": float("nan")}, "deadline_s"),
    ],
)
def test_a_bad_setting_is_one_line(flags, words):
    with pytest.raises(SettingsError, match=re.escape(words)) as error:
        settings_of(flags)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.yaml", "[1]", "expected settings by name"),
        ("a.yaml", "a: !!python/name:os.system", "tag"),
        ("a.toml", "port = ", "a.toml"),
        ("a.yaml", "prot: 1", "'prot'"),
        ("gone.yaml", None, "gone.yaml"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path, name, text, words):
    file = tmp_path / name
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingsError, match=re.escape(words)):
        settings_of({}, file)


def test_an_unknown_variable_is_told(monkeypatch):
    monkeypatch.setenv("SERKIT_SERVE_PROT", "1")
    with pytest.raises(SettingsError, match="'prot'"):
        settings_of({})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_tokens(host):
    assert settings_of({"host": host}).tokens is None


def test_the_command_prints_the_settings(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("a-secret-of-the-tests\n")
    done = in_process(
        "serve", "--host", "0.0.0.0", "--tokens", tokens, "--model", "tiny", "--model", "emodb7",
        "--set", "max_pending=7", "--print-config",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    values = json.loads(done.stdout)
    assert values["models"] == ["tiny", "emodb7"] and values["max_pending"] == 7
    assert "a-secret" not in done.stdout
    assert set(values) == set(Settings.model_fields)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--host", "0.0.0.0"], "expected a file of tokens"),
        (["--set", "max_pending"], "NAME=VALUE"),
        (["--model", "gone"], "unknown model 'gone'"),
        (["--tokens", "/nowhere"], "/nowhere"),
        (["--asr", "faster-whisper"], "faster-whisper=MODEL"),
        (["--asr", "faster-whisper=/nowhere"], "/nowhere"),
        (["--fusion", "/nowhere.onnx"], "/nowhere.onnx"),
    ],
)
def test_the_command_refuses_in_one_line(arguments, words):
    done = in_process("serve", "--port", "0", *arguments)
    assert done.returncode == 2 and words in done.stderr and "Traceback" not in done.stderr


def test_every_setting_is_in_the_manual():
    page = Path("docs/server.md").read_text().partition("## Settings")[2]
    rows = dict(re.findall(r"^\| `(\w+)` \| (.+) \| .+ \|$", page, re.MULTILINE))
    fields = Settings.model_fields
    assert set(rows) == set(fields)
    for name, shown in rows.items():
        default = fields[name].default
        text = ", ".join(default) if isinstance(default, tuple) else f"{default}"
        assert shown.strip("` ") == {"None": "", "False": "off"}.get(text, text), name


@pytest.mark.parametrize(
    ("content", "words"),
    [("", "0 tokens"), ("# none\n", "0 tokens"), ("short\n", "16 characters"), (None, "tokens")],
)
def test_a_bad_file_of_tokens(tmp_path, content, words):
    file = tmp_path / "tokens"
    if content is not None:
        file.write_text(content)
    with pytest.raises(Exception, match=words) as error:
        Tokens(file)
    assert "short" not in str(error.value)


def test_only_hashes_of_tokens_are_kept(tmp_path):
    file = tmp_path / "tokens"
    file.write_text("a-secret-of-the-tests\n")
    tokens = Tokens(file)
    kept = repr([vars(tokens), tokens.owner("a-secret-of-the-tests")])
    assert "secret" not in kept


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("Basic abc", None), ("", None), (None, None)],
)
def test_the_token_of_a_header(header, token):
    assert bearer(header) == token
