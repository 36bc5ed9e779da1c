"""Models over HTTP, in the shape that clients of OpenAI's API expect.

Reads run directories of `pretrain`, `sft` and `grpo`; writes nothing but its key. Start it with
`groundup serve RUN`, then point any such client at `http://127.0.0.1:8000/v1`.

| module     | has                                                                |
|------------|--------------------------------------------------------------------|
| app.py     | the application, start-up and shutdown                             |
| gate.py    | what every request passes: key, size, media type, request id       |
| chat.py    | POST /v1/chat/completions                                          |
| models.py  | GET /v1/models, and which name means which model                   |
| wire.py    | the request and response types                                     |
| worker.py  | the thread that generates                                          |
| errors.py  | every failure as OpenAI's error body                               |
| keys.py    | the bearer key and where the server may listen                     |
"""

__all__: list[str] = []
