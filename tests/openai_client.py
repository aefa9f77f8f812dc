"""The official OpenAI client against a running server, streaming and not.

    python -m venv .venv && .venv/bin/pip install "openai>=1,<3"
    .venv/bin/python tests/openai_client.py target/debug/shopclerk

Starts the server itself with the scripted model, or talks to SHOPCLERK_URL if that is set. Exit code 0 if all is well.
"""

import asyncio
import os
import subprocess
import sys
import tempfile
import time
import urllib.request

import openai

KEY = os.environ.get("SHOPCLERK_API_KEY", "sk-test-of-the-official-client")


def start(binary, data):
    env = dict(os.environ, SHOPCLERK_API_KEY=KEY, RUST_LOG="error", SHOPCLERK__STORE__MIN_FREE_MIB="0")
    command = [binary, "--data", data, "serve", "--listen", "127.0.0.1:0", "--model", "scripted"]
    server = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if "http://" not in line:
        raise SystemExit(f"the server did not start: {line!r}")
    url = "http://" + line.rsplit("http://", 1)[1].strip()
    for _ in range(200):
        try:
            urllib.request.urlopen(url + "/readyz", timeout=5)
            return server, url
        except OSError:
            time.sleep(0.05)
    server.kill()
    raise SystemExit("the server was not ready within 10 s")


def expect(what, seen, wanted):
    if seen != wanted:
        raise SystemExit(f"{what}: {seen!r} instead of {wanted!r}")
    print(f"ok  {what}")


def refused(what, kind, call):
    try:
        call()
    except kind as fault:
        print(f"ok  {what}: {fault.code}")
        return fault
    raise SystemExit(f"{what}: nothing was refused")


def check(url, scripted):
    client = openai.OpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0)
    name = client.models.list().data[0].id
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Do you sell shoes?"}]
    ask = dict(model=name, messages=messages, max_tokens=32, temperature=0.0, seed=7)

    whole = client.chat.completions.create(**ask)
    text = whole.choices[0].message.content
    expect("role", whole.choices[0].message.role, "assistant")
    expect("finish reason", whole.choices[0].finish_reason in ("stop", "length"), True)
    expect("usage", whole.usage.total_tokens, whole.usage.prompt_tokens + whole.usage.completion_tokens)
    expect("tokens within the limit", 0 < whole.usage.completion_tokens <= 32, True)
    if scripted:
        expect("text", text, "You asked: Do you sell shoes?")

    chunks = list(client.chat.completions.create(**ask, stream=True, stream_options={"include_usage": True}))
    streamed = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    expect("streamed text is the same", streamed, text)
    expect("usage comes last", chunks[-1].usage.total_tokens, whole.usage.total_tokens)
    expect("one finish reason", sum(1 for c in chunks if c.choices and c.choices[0].finish_reason), 1)

    short = client.chat.completions.create(model=name, messages=messages, max_completion_tokens=2)
    expect("a limit is kept", (short.choices[0].finish_reason, short.usage.completion_tokens), ("length", 2))

    parts = [{"role": "user", "content": [{"type": "text", "text": "parts"}]}]
    answer = client.chat.completions.create(model="default", messages=parts, max_tokens=16)
    expect("content in parts", bool(answer.choices[0].message.content), True)

    if not scripted:
        found = client.chat.completions.create(**ask, logprobs=True, top_logprobs=2).choices[0].logprobs.content
        expect("log-probabilities", all(t.logprob <= 0 and len(t.top_logprobs) == 2 for t in found), True)

    async def several():
        many = openai.AsyncOpenAI(base_url=url + "/v1", api_key=KEY, max_retries=0)
        return await asyncio.gather(*(many.chat.completions.create(**ask) for _ in range(8)))

    expect("eight at once", len(asyncio.run(several())), 8)

    refused("a wrong key", openai.AuthenticationError, lambda: openai.OpenAI(
        base_url=url + "/v1", api_key="wrong", max_retries=0).models.list())
    refused("a wrong model", openai.NotFoundError, lambda: client.chat.completions.create(
        model="another", messages=messages))
    refused("a wrong temperature", openai.BadRequestError, lambda: client.chat.completions.create(
        model=name, messages=messages, temperature=3))
    if scripted:
        failing = [{"role": "user", "content": "[[fail]] please"}]
        refused("a model that fails", openai.InternalServerError, lambda: client.chat.completions.create(
            model=name, messages=failing))
        refused("a model that fails in mid-stream", openai.APIError, lambda: list(
            client.chat.completions.create(model=name, messages=failing, stream=True)))


def main():
    url = os.environ.get("SHOPCLERK_URL")
    if url:
        return check(url.rstrip("/"), scripted=False)
    with tempfile.TemporaryDirectory() as data:
        binary = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("SHOPCLERK_BIN", "target/release/shopclerk")
        server, url = start(binary, data)
        try:
            check(url, scripted=True)
        finally:
            server.terminate()
            server.wait(30)


if __name__ == "__main__":
    main()
