import json

import httpx
import openai
import pytest

MESSAGES = [{"role": "user", "content": "Hello"}]
KEY = {"authorization": "Bearer sk-gu-test"}


def post(server, body, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = {**KEY, "content-type": "application/json", **headers}
    return httpx.post(f"{server.url}/v1/chat/completions", content=content, headers=sent)


def problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["x-request-id"].startswith("req_")
    assert set(answer.json()) == {"error"}
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["message"]
    return error


def body(**fields):
    return {"model": "sft", "messages": MESSAGES, "max_tokens": 2, **fields}


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": "hello"}, "messages", "invalid_type"),
        ({"messages": [{"content": "x"}]}, "messages[0].role", "missing_required_parameter"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_type"),
        ({"messages": [*MESSAGES, *MESSAGES]}, "messages[1].role", "invalid_value"),
        (
            {"messages": [{"role": "assistant", "content": "x"}]},
            "messages[0].role",
            "invalid_value",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].type",
            "unsupported_value",
        ),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": "9"}, "max_completion_tokens", "invalid_type"),
        ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
        ({"n": 17}, "n", "integer_above_max_value"),
        ({"seed": 2**63}, "seed", "integer_above_max_value"),
        ({"stop": [""]}, "stop[0]", "empty_string"),
        ({"stop": ["x"] * 17}, "stop", "array_above_max_length"),
        ({"stop": "x" * 257}, "stop[0]", "string_above_max_length"),
        ({"stream": "yes"}, "stream", "invalid_type"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
        ({"top_logprobs": 3}, "top_logprobs", "invalid_value"),
        ({"top_logprobs": 3, "logprobs": True}, "top_logprobs", "unsupported_parameter"),
        ({"tools": [{"type": "function"}]}, "tools", "unsupported_parameter"),
        ({"logit_bias": {"3": 10}}, "logit_bias", "unsupported_parameter"),
        ({"frequency_penalty": 0.5}, "frequency_penalty", "unsupported_parameter"),
        ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
        ({"modalities": ["audio"]}, "modalities", "unsupported_parameter"),
    ],
)
def test_a_wrong_field_is_400_and_named(server, fields, param, code):
    error = problem(post(server, body(**fields)), 400)
    assert (error["param"], error["code"]) == (param, code)
    assert error["type"] == "invalid_request_error"
    assert param in error["message"]


@pytest.mark.parametrize("field", ["model", "messages"])
def test_a_missing_field_is_400_and_named(server, field):
    fields = body()
    del fields[field]
    error = problem(post(server, fields), 400)
    assert (error["param"], error["code"]) == (field, "missing_required_parameter")


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"null", b"\xff", b'{"model": NaN}', b"[" * 100_000]
)
def test_a_body_that_is_no_json_object_is_400(server, raw):
    problem(post(server, raw), 400)


def test_a_lone_surrogate_is_not_a_server_error(server):
    raw = b'{"model":"sft","max_tokens":2,"messages":[{"role":"user","content":"\\ud800"}]}'
    assert post(server, raw).status_code in {200, 400}
    problem(post(server, raw.replace(b'"sft"', b'"\\ud800"')), 404)
    problem(post(server, raw.replace(b'"max_tokens":2', b'"logit_bias":{"\\ud800":"x"}')), 400)


def test_null_means_the_default(server):
    names = ("temperature", "top_p", "n", "stop", "stream", "seed", "tools", "response_format")
    assert post(server, body(**dict.fromkeys(names))).status_code == 200


def test_an_unknown_model_is_404(client):
    with pytest.raises(openai.NotFoundError) as raised:
        client.chat.completions.create(model="gpt-9", messages=MESSAGES)
    assert raised.value.code == "model_not_found"
    assert "gpt-9" in raised.value.message


def test_a_prompt_that_leaves_no_room_is_context_length_exceeded(client):
    long = [{"role": "user", "content": "x y " * 200}]
    with pytest.raises(openai.BadRequestError) as raised:
        client.chat.completions.create(model="sft", messages=long, stream=True)
    assert raised.value.code == "context_length_exceeded"
    assert "160 tokens" in raised.value.message


def test_the_context_is_used_to_its_last_token_and_not_beyond(server, client):
    def asked(max_tokens):
        return client.chat.completions.create(
            model="sft", messages=MESSAGES, temperature=0, max_tokens=max_tokens
        )

    usage = asked(1).usage
    room = 160 - usage.prompt_tokens
    assert asked(room).usage.total_tokens == 160
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        asked(room + 1)
    unlimited = client.chat.completions.create(model="sft", messages=MESSAGES, temperature=0)
    assert unlimited.usage.total_tokens == 160


def test_an_unknown_path_is_404_and_a_wrong_verb_405(server):
    error = problem(httpx.get(f"{server.url}/v1/embeddings", headers=KEY), 404)
    assert error["message"] == "Invalid URL (GET /v1/embeddings)"
    answer = httpx.get(f"{server.url}/v1/chat/completions", headers=KEY)
    assert problem(answer, 405)["code"] == "method_not_supported"
    assert "POST" in answer.headers["allow"]


def test_a_form_or_text_is_415(server):
    answer = post(server, b"model=sft", **{"content-type": "application/x-www-form-urlencoded"})
    assert problem(answer, 415)["code"] == "unsupported_media_type"


def test_a_body_over_the_limit_is_413(server):
    large = body(messages=[{"role": "user", "content": "x" * (4 * 2**20)}])
    assert problem(post(server, large), 413)["code"] == "request_too_large"

    def pieces():  # no content-length
        for _ in range(5):
            yield b" " * 2**20

    headers = {**KEY, "content-type": "application/json"}
    url = f"{server.url}/v1/chat/completions"
    assert problem(httpx.post(url, content=pieces(), headers=headers), 413)


def test_a_failing_model_is_500_without_a_word_on_the_inside(start, make_served):
    served = make_served()
    served.loaded.model.head.weight.data = served.loaded.model.head.weight.data[:, :3]
    with start([served]) as server:
        error = problem(post(server, body()), 500)
        assert error["type"] == "server_error"
        assert "shape" not in error["message"]
        with server.client() as client, pytest.raises(openai.APIError, match="model failed"):
            list(client.chat.completions.create(**body(stream=True)))


def test_errors_that_cannot_pass_are_not_retried_and_500_is(start, make_served):
    served = make_served()
    served.loaded.model.head.weight.data = served.loaded.model.head.weight.data[:, :3]
    seen = []

    def note(request):
        seen.append(request.headers["x-stainless-retry-count"])

    http = httpx.Client(event_hooks={"request": [note]})
    with start([served]) as server, server.client(max_retries=2, http_client=http) as client:
        with pytest.raises(openai.InternalServerError):
            client.chat.completions.create(**body())
        assert seen == ["0", "1", "2"]
        seen.clear()
        with pytest.raises(openai.BadRequestError):
            client.chat.completions.create(**body(n=99))
        assert seen == ["0"]
