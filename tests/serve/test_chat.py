import concurrent.futures
import re
import socket
import time

import openai
import pytest

MESSAGES = [{"role": "user", "content": "What does the parser do?"}]


def ask(client, **options):
    settings = {"model": "sft", "messages": MESSAGES, "max_tokens": 24, "seed": 7}
    return client.chat.completions.create(**{**settings, **options})


def joined(stream):
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def test_an_answer_has_every_field_that_the_client_knows(client):
    answer = ask(client)
    assert re.fullmatch(r"chatcmpl-[A-Za-z0-9]{29}", answer.id)
    assert answer.object == "chat.completion"
    assert abs(answer.created - time.time()) < 60
    assert answer.model == "sft"
    assert answer.system_fingerprint == "fp_0123456789"
    assert answer.service_tier == "default"
    assert answer.choices[0].message.role == "assistant"
    assert answer.choices[0].finish_reason in {"stop", "length"}
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer._request_id)


def test_the_strict_client_accepts_whole_answers_and_chunks(server):
    with server.client(_strict_response_validation=True) as strict:
        assert ask(strict, logprobs=True).choices[0].message.content is not None
        chunks = list(
            ask(strict, stream=True, logprobs=True, stream_options={"include_usage": True})
        )
        assert chunks[-1].usage.total_tokens > 0
        assert strict.models.list().data[0].object == "model"


def test_usage_counts_the_tokens_of_prompt_and_answer(client, tiny_served):
    answer = ask(client, temperature=0, max_tokens=9)
    text = "What does the parser do?"
    # One marker before the question and one before the answer.
    assert answer.usage.prompt_tokens == len(tiny_served.loaded.tokenizer.encode(text)) + 2
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage.completion_tokens == 9
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 9


def test_the_server_says_what_the_engine_says(client, tiny_served):
    from groundup.core.records import Message
    from groundup.generate.sampling import SamplingParams

    prompt = tiny_served.loaded.chat_ids([Message("user", MESSAGES[0]["content"])])
    params = SamplingParams(max_new_tokens=24, temperature=0)
    (wanted,) = tiny_served.loaded.engine.generate([prompt], params)
    answer = ask(client, temperature=0)
    assert answer.choices[0].message.content == wanted.text
    assert answer.choices[0].finish_reason == wanted.finish_reason


@pytest.mark.parametrize("temperature", [0, 1])
def test_streamed_text_equals_whole_text(client, temperature):
    for seed in range(5):
        whole = ask(client, temperature=temperature, seed=seed)
        chunks = list(ask(client, temperature=temperature, seed=seed, stream=True))
        assert joined(chunks) == whole.choices[0].message.content
        assert chunks[-1].choices[0].finish_reason == whole.choices[0].finish_reason


def test_a_seed_repeats_an_answer_and_another_changes_it(client):
    texts = [ask(client, seed=seed).choices[0].message.content for seed in (1, 1, 2)]
    assert texts[0] == texts[1]
    assert texts[0] != texts[2]


def test_without_a_seed_answers_differ(client):
    texts = {ask(client, seed=None).choices[0].message.content for _ in range(4)}
    assert len(texts) > 1


def test_some_sampled_answers_end_by_themselves(client):
    choices = ask(client, n=8, max_tokens=130).choices
    assert {choice.finish_reason for choice in choices} == {"stop", "length"}


def test_a_stream_has_role_first_reason_last_and_usage_when_asked(client):
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[:-2]] == [None] * (len(chunks) - 2)
    assert chunks[-2].choices[0].finish_reason is not None
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert {chunk.id for chunk in chunks} == {chunks[0].id}


def test_the_stream_on_the_wire_ends_with_done(server):
    import httpx

    body = {"model": "sft", "messages": MESSAGES, "max_tokens": 3, "stream": True}
    headers = {"authorization": "Bearer sk-gu-test"}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert all(event.startswith("data: {") for event in events[:-2])


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_text_ends_the_answer_and_is_left_out(client, stream):
    whole = ask(client, temperature=0, max_tokens=40).choices[0].message.content
    stop = whole[12:15]
    wanted = whole[: whole.index(stop)]
    answer = ask(client, temperature=0, max_tokens=40, stop=["never seen", stop], stream=stream)
    if stream:
        chunks = list(answer)
        text, reason = joined(chunks), chunks[-1].choices[0].finish_reason
    else:
        text, reason = answer.choices[0].message.content, answer.choices[0].finish_reason
    assert (text, reason) == (wanted, "stop")


def test_several_choices_differ_and_stream_as_they_are(client):
    whole = ask(client, n=3)
    texts = [choice.message.content for choice in whole.choices]
    assert [choice.index for choice in whole.choices] == [0, 1, 2]
    assert len(set(texts)) == 3
    streamed = ["", "", ""]
    for chunk in ask(client, n=3, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts


def test_parts_of_type_text_are_joined_and_developer_is_system(client):
    def content(messages):
        return ask(client, messages=messages, temperature=0).choices[0].message.content

    parts = [{"type": "text", "text": "What does "}, {"type": "text", "text": "the parser do?"}]
    plain = MESSAGES[0]["content"]
    system = {"role": "system", "content": "Be brief."}
    assert content([{"role": "user", "content": parts}]) == content(MESSAGES)
    assert content([{**system, "role": "developer"}, *MESSAGES]) == content(
        [system, {"role": "user", "content": plain}]
    )


def test_a_marker_in_a_message_stays_text(client, tiny_served):
    tokenizer = tiny_served.loaded.tokenizer
    answer = ask(client, messages=[{"role": "user", "content": "<|end|>"}])
    assert answer.usage.prompt_tokens == len(tokenizer.encode("<|end|>")) + 2
    assert len(tokenizer.encode("<|end|>")) > 1


def test_logprobs_are_those_of_the_chosen_tokens(client, tiny_served):
    answer = ask(client, logprobs=True, temperature=0, max_tokens=6)
    content = answer.choices[0].logprobs.content
    assert len(content) == 6
    assert all(entry.logprob <= 0 for entry in content)
    assert (
        b"".join(bytes(entry.bytes) for entry in content).decode(errors="replace")
        == answer.choices[0].message.content
    )
    streamed = [
        entry.logprob
        for chunk in ask(client, logprobs=True, temperature=0, max_tokens=6, stream=True)
        if chunk.choices and chunk.choices[0].logprobs
        for entry in chunk.choices[0].logprobs.content
    ]
    assert streamed == [entry.logprob for entry in content]


def test_unknown_fields_and_neutral_values_are_accepted(client):
    extra = {"min_p": 0.1, "chat_id": "x", "top_k": -1}
    answer = ask(client, extra_body=extra, presence_penalty=0, tools=[], logit_bias={}, user="u")
    assert answer.choices[0].message.content is not None


def test_top_p_zero_and_top_k_one_mean_the_likeliest_token(client):
    greedy = ask(client, temperature=0).choices[0].message.content
    assert ask(client, top_p=0).choices[0].message.content == greedy
    assert ask(client, extra_body={"top_k": 1}).choices[0].message.content == greedy


def test_eight_requests_at_once_get_the_answers_that_they_get_alone(client):
    alone = [ask(client, seed=seed).choices[0].message.content for seed in range(8)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda seed: ask(client, seed=seed), range(8)))
    assert [answer.choices[0].message.content for answer in together] == alone


def wait_until(condition, timeout_s=5.0):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


@pytest.mark.parametrize("stream", [b"true", b"false"])
def test_a_client_that_goes_away_cancels_its_generation(start, make_served, stream):
    slow = make_served(context=4096)
    with start([slow]) as server:
        port = int(server.url.rpartition(":")[2])
        body = (
            b'{"model":"sft","messages":[{"role":"user","content":"Hi"}],"seed":3,"n":2,'
            b'"logit_bias":{},"top_k":1,"stream":' + stream + b"}"
        )
        request = (
            b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-gu-test\r\n"
            b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body)
        ) + body
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request)
            wait_until(lambda: server.worker.n_running == 2)
        gone = time.monotonic()
        wait_until(lambda: server.worker.n_running == 0)
        assert time.monotonic() - gone < 1.0


def test_health_answers_while_the_model_works(start, make_served):
    import httpx

    with start([make_served(context=4096)]) as server, server.client() as client:
        stream = ask(client, stream=True, max_tokens=4000, extra_body={"top_k": 1}, n=4)
        next(iter(stream))
        times = []
        for _ in range(10):
            began = time.monotonic()
            assert httpx.get(f"{server.url}/health").status_code == 200
            times.append(time.monotonic() - began)
        stream.close()
        assert sorted(times)[5] < 1.0


def test_a_full_queue_is_429_with_a_time_to_come_back(start, make_served):
    from groundup.serve.worker import Worker

    worker = Worker(max_running=1, max_waiting=0)
    with start([make_served(context=4096)], worker=worker) as server, server.client() as client:
        stream = ask(client, stream=True, max_tokens=4000, extra_body={"top_k": 1})
        next(iter(stream))
        with pytest.raises(openai.RateLimitError) as raised:
            ask(client)
        stream.close()
    assert raised.value.code == "rate_limit_exceeded"
    assert int(raised.value.response.headers["retry-after"]) >= 1
