import httpx
import openai
import pytest


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Bearer wrong"},
        {"authorization": "Basic sk-gu-test"},
        {"authorization": "sk-gu-test"},
        {"authorization": "Bearer sk-gu-test2"},
        {"authorization": "Bearer ünknown".encode("latin-1")},
    ],
)
def test_without_the_key_everything_but_health_is_401(server, headers):
    for path in ("/v1/models", "/v1/nothing", "/version", "/openapi.json"):
        answer = httpx.get(f"{server.url}{path}", headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert "wrong" not in answer.text
        assert "sk-gu-test" not in answer.text
    assert httpx.get(f"{server.url}/health").json()["status"] == "ok"


def test_the_client_sees_a_wrong_key_as_an_authentication_error(server):
    with server.client(api_key="sk-other") as client:
        with pytest.raises(openai.AuthenticationError) as raised:
            client.models.list()
        assert raised.value.code == "invalid_api_key"
        assert raised.value.request_id.startswith("req_")


def test_without_a_key_configured_any_key_and_none_will_do(start, tiny_served):
    with start([tiny_served], api_key=None) as server:
        with server.client(api_key="EMPTY") as client:
            assert client.models.list().data
        assert httpx.get(f"{server.url}/v1/models").status_code == 200


def test_every_answer_carries_an_id_of_its_own_and_its_time(server):
    answers = [httpx.get(f"{server.url}/health") for _ in range(2)]
    ids = {answer.headers["x-request-id"] for answer in answers}
    assert len(ids) == 2
    assert all(int(answer.headers["openai-processing-ms"]) >= 0 for answer in answers)


def test_the_root_names_only_paths_that_exist(server):
    headers = {"authorization": "Bearer sk-gu-test"}
    for path in httpx.get(f"{server.url}/").json()["paths"]:
        status = httpx.get(f"{server.url}{path}", headers=headers).status_code
        assert status == (405 if path.endswith("completions") else 200)


def test_there_are_no_pages_that_load_scripts_from_elsewhere(server):
    headers = {"authorization": "Bearer sk-gu-test"}
    for path in ("/docs", "/redoc"):
        assert httpx.get(f"{server.url}{path}", headers=headers).status_code == 404
