import stat

import pytest

from groundup.core.errors import ConfigError, ResourceError
from groundup.serve.keys import ENVIRONMENT, choose_key, is_loopback, listen


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv(ENVIRONMENT, raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback_is_known(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", ""])
def test_what_others_can_reach_is_not_loopback(host):
    assert not is_loopback(host)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path):
    key = choose_key(host="127.0.0.1", data_dir=tmp_path / "data", no_auth=False)
    assert key.startswith("sk-gu-")
    assert len(key) == len("sk-gu-") + 43
    assert stat.S_IMODE((tmp_path / "data/api_key").stat().st_mode) == 0o600
    assert choose_key(host="127.0.0.1", data_dir=tmp_path / "data", no_auth=False) == key


def test_the_environment_wins_over_the_file(tmp_path, monkeypatch):
    choose_key(host="127.0.0.1", data_dir=tmp_path, no_auth=False)
    monkeypatch.setenv(ENVIRONMENT, "sk-mine")
    assert choose_key(host="0.0.0.0", data_dir=tmp_path, no_auth=False) == "sk-mine"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])
def test_an_open_address_without_a_key_is_refused(tmp_path, host):
    with pytest.raises(ConfigError, match="no key is set") as raised:
        choose_key(host=host, data_dir=tmp_path, no_auth=False)
    assert ENVIRONMENT in raised.value.hint
    assert not (tmp_path / "api_key").exists()


def test_no_auth_is_for_loopback_only(tmp_path):
    assert choose_key(host="127.0.0.1", data_dir=tmp_path, no_auth=True) is None
    with pytest.raises(ConfigError, match="--no-auth"):
        choose_key(host="0.0.0.0", data_dir=tmp_path, no_auth=True)


def test_a_port_in_use_names_the_flag():
    with listen("127.0.0.1", 0) as bound:
        bound.listen()
        port = bound.getsockname()[1]
        with pytest.raises(ResourceError, match=f"port {port}") as raised:
            listen("127.0.0.1", port)
    assert "--port" in raised.value.hint


@pytest.mark.parametrize(("host", "port"), [("203.0.113.1", 8000), ("127.0.0.1", 70_000)])
def test_an_address_that_is_not_ours_is_a_setting_to_correct(host, port):
    with pytest.raises(ConfigError, match="cannot listen"):
        listen(host, port)
