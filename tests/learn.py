"""One run over HTTP from rows to rollback, while somebody chats without a break. Python's standard library alone.

    SHOPCLERK_BIN=target/release/shopclerk SHOPCLERK_MODELS=... python3 tests/learn.py dialogues.jsonl
    ... tests/learn.py --steps 4 dialogues.jsonl       # a short one: what it learns is no matter then

Starts the server on a folder of its own, posts the run with PEFT's usual settings (which are our defaults: rank 16, alpha
32, all linear layers, batch 4, 512 tokens, rate 2e-4, one epoch, no dropout), follows its events, promotes, rolls back, and
reads from the journal which version made each reply. Exit code 0 if no chat failed and the versions are as they should be.
"""

import argparse
import base64
import http.client
import json
import os
import shutil
import socket
import statistics
import struct
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path

KEY = "sk-test-of-a-whole-run"
NAME = "shop"
# The demo shop's texts answer them all: what they do not is handed to a person without the model.
QUESTIONS = [
    "Can I return shoes I have worn?",
    "How long does shipping take?",
    "How can I pay?",
    "Is there a warranty?",
]
# Limits for shoppers are not what is tried here.
ENVIRONMENT = {
    "SHOPCLERK_API_KEY": KEY,
    "RUST_LOG": "error",
    "SHOPCLERK__STORE__MIN_FREE_MIB": "0",
    # Each answer is the model's own work.
    "SHOPCLERK__MODEL__RECALL": "0",
    "SHOPCLERK__WEB__SESSIONS_PER_MINUTE": "100000",
    "SHOPCLERK__WEB__UPGRADES_PER_MINUTE": "100000",
    "SHOPCLERK__WEB__REQUESTS_PER_MINUTE": "100000",
    "SHOPCLERK__CHAT__MESSAGES_PER_MINUTE": "100000",
    "SHOPCLERK__CHAT__TOKENS_PER_HOUR": "1000000000",
    "SHOPCLERK__CHAT__ADDRESS_MESSAGES_PER_MINUTE": "100000",
    "SHOPCLERK__CHAT__ADDRESS_TOKENS_PER_HOUR": "1000000000",
}
PATIENCE = 180


class Server:
    def __init__(self, binary, data):
        command = [binary, "--data", str(data), "serve", "--listen", "127.0.0.1:0"]
        if os.environ.get("SHOPCLERK_MODEL"):
            command += ["--model", os.environ["SHOPCLERK_MODEL"]]
        self.process = subprocess.Popen(command, env={**os.environ, **ENVIRONMENT}, stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if "http://" not in line:
            raise SystemExit(f"the server did not start: {line!r}")
        self.host = line.rsplit("http://", 1)[1].strip()
        for _ in range(1200):
            if self.ask("GET", "/readyz", key=None)[0] == 200:
                return
            time.sleep(0.1)
        raise SystemExit("the server was not ready within two minutes")

    def open(self, method, path, body=None, key=KEY, headers=()):
        link = http.client.HTTPConnection(self.host, timeout=PATIENCE)
        head = {"Content-Type": "application/json", "Origin": f"http://{self.host}", **dict(headers)}
        if key:
            head["Authorization"] = f"Bearer {key}"
        link.request(method, path, None if body is None else json.dumps(body), head)
        return link.getresponse()

    def ask(self, method, path, body=None, key=KEY):
        with self.open(method, path, body, key) as answer:
            text = answer.read().decode()
            kind = answer.headers.get("Content-Type", "")
            return answer.status, json.loads(text) if "json" in kind and text else text

    def must(self, method, path, body=None):
        status, answer = self.ask(method, path, body)
        if status >= 300:
            raise SystemExit(f"{method} {path}: {status} {answer}")
        return answer

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


class Socket:
    """As much of a WebSocket as a chat needs."""

    def __init__(self, host, token):
        name, port = host.split(":")
        self.stream = socket.create_connection((name, int(port)), timeout=PATIENCE)
        nonce = base64.b64encode(os.urandom(16)).decode()
        self.stream.sendall(
            (
                f"GET /v1/ws HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {nonce}\r\n"
                f"Sec-WebSocket-Protocol: shopclerk.v1, token.{token}\r\n\r\n"
            ).encode()
        )
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.exactly(1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise OSError(f"no socket: {head.splitlines()[0].decode()}")

    def exactly(self, count):
        found = b""
        while len(found) < count:
            piece = self.stream.recv(count - len(found))
            if not piece:
                raise OSError("the server closed the socket")
            found += piece
        return found

    def frame(self, first, payload):
        size = len(payload)
        length = struct.pack("!B", 0x80 | size) if size < 126 else struct.pack("!BH", 0x80 | 126, size)
        mask = os.urandom(4)
        self.stream.sendall(bytes([first]) + length + mask + bytes(b ^ mask[n % 4] for n, b in enumerate(payload)))

    def send(self, message):
        self.frame(0x81, json.dumps(message).encode())

    def next(self):
        while True:
            first, length = self.exactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", self.exactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self.exactly(8))
            payload = self.exactly(length)
            if first == 0x81:
                return json.loads(payload)
            if first == 0x89:
                self.frame(0x8A, payload)
            if first == 0x88:
                raise OSError("the server said goodbye")

    def close(self):
        self.stream.close()


def chat(server, question):
    """A new shopper asks once: who made the reply, and how long it took."""
    status, session = server.ask("POST", "/v1/shopper/session", key=None)
    if status != 200:
        raise OSError(f"no session: {status} {session}")
    conversation, line = session["conversation"], Socket(server.host, session["token"])
    try:
        line.send({"t": "hello", "resume": [{"conv": conversation, "seq": 0}]})
        while line.next()["t"] != "welcome":
            pass
        started = time.monotonic()
        line.send({"t": "say", "conv": conversation, "cmid": uuid7(), "text": question})
        reply = None
        while reply is None:
            frame = line.next()
            if frame["t"] in ("error", "bye"):
                raise OSError(f"refused: {frame}")
            if frame["t"] == "event" and frame.get("kind") == "reply":
                reply = frame
        took = time.monotonic() - started
    finally:
        line.close()
    if reply["ended"] not in ("complete", "length") or not reply["text"]:
        raise OSError(f"the reply was cut short: {reply['ended']}")
    events = server.must("GET", f"/v1/staff/conversations/{conversation}/export?format=json")
    events = events["events"] if isinstance(events, dict) else events
    made = [event["provenance"] for event in events if event.get("kind") == "reply"]
    if len(made) != 1 or not made[0]:
        raise OSError("the journal does not say who made the reply")
    return made[0].get("adapter"), took


def uuid7():
    stamp = int(time.time() * 1000)
    number = (stamp << 80) | (0x7 << 76) | (int.from_bytes(os.urandom(10), "big") & ((1 << 76) - 1))
    return str(uuid.UUID(int=(number & ~(0x3 << 62)) | (0x2 << 62)))


class Shopper(threading.Thread):
    """Asks without a break; keeps what came back, phase by phase."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.phase, self.over = server, "before", False
        self.replies, self.failed = [], []

    def run(self):
        n = 0
        while not self.over:
            phase = self.phase
            try:
                adapter, took = chat(self.server, QUESTIONS[n % len(QUESTIONS)])
                self.replies.append((phase, adapter, took, time.monotonic()))
            except (OSError, ValueError, KeyError, SystemExit, http.client.HTTPException) as fault:
                self.failed.append((phase, fault))
                print(f"FAILED while {phase}: {fault}", flush=True)
                time.sleep(1)
            n += 1

    def until(self, adapter, since):
        """When the first reply made by `adapter` after `since` was complete."""
        while time.monotonic() - since < PATIENCE:
            for _, by, _, at in list(self.replies):
                if at > since and by == adapter:
                    return at - since
            time.sleep(0.05)
        raise SystemExit(f"no reply by {adapter or 'the base'} within {PATIENCE} s")


def follow(server, shopper, run):
    """Reads the run's events to its end, over as many connections as it takes."""
    last, state, step = None, None, {}
    while state not in ("done", "failed", "cancelled"):
        headers = [("Last-Event-ID", str(last))] if last is not None else []
        with server.open("GET", f"/v1/staff/runs/{run}/events", headers=headers) as answer:
            kind, number = None, None
            for line in answer:
                name, _, value = line.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "id":
                    number = int(value)
                elif name == "data" and kind == "step":
                    last, step = number, json.loads(value)
                elif name == "data":
                    found = json.loads(value)
                    if found["state"] != state:
                        state = found["state"]
                        shopper.phase = state if state in ("training", "evaluating") else shopper.phase
                        print(f"{state:<12} {step.get('step', 0)} of {step.get('of', '?')} steps", flush=True)
    return found


def work(server, shopper, args):
    began = time.monotonic()
    train = {"max_steps": args.steps} if args.steps else {}
    data = {"files": ["dialogues.jsonl"], "too_long": "cut_or_drop", "max_tokens": args.max_tokens, "test": args.test}
    recipe = {"name": NAME, "data": data, "train": train, **({"base": args.base} if args.base else {})}
    run = server.must("POST", "/v1/staff/runs", {"recipe": recipe})["id"]
    found = follow(server, shopper, run)
    if found["state"] != "done":
        raise SystemExit(f"the run {found['state']}: {found['fault']}")
    trained, name = time.monotonic() - began, found["published"]
    card = server.must("GET", f"/v1/staff/runs/{run}")["scorecard"]
    # A few steps need not be better than the base; what is tried is the way.
    force = bool(args.steps) and not card["passed"]
    shopper.phase, asked = "promoting", time.monotonic()
    early = [by for _, by, _, _ in shopper.replies if by]
    server.must("POST", f"/v1/staff/adapters/{NAME}/promote", {"version": int(name.split("@")[1]), "force": force})
    shopper.phase, promoted = "promoted", time.monotonic() - asked
    first = shopper.until(name, asked)
    shopper.phase, asked = "rolling back", time.monotonic()
    server.must("POST", f"/v1/staff/adapters/{NAME}/rollback")
    shopper.phase = "rolled back"
    back = shopper.until(None, asked)
    # Nobody is answered by it any more.
    settled = time.monotonic()
    while len([reply for reply in shopper.replies if reply[3] > settled]) < 3:
        time.sleep(0.05)
    late = [by for _, by, took, at in shopper.replies if at - took > settled and by]
    return {
        "card": card, "name": name, "trained": trained, "promoted": promoted, "first": first, "back": back,
        "early": early, "late": late,
    }


def tell(shopper, seen):
    print(f"\n{'while':<12} {'chats':>6} {'failed':>7} {'median s':>9} {'slowest s':>10}  made by")
    phases = list(dict.fromkeys([reply[0] for reply in shopper.replies] + [fault[0] for fault in shopper.failed]))
    for phase in phases:
        took = [reply[2] for reply in shopper.replies if reply[0] == phase]
        by = sorted({reply[1] or "base" for reply in shopper.replies if reply[0] == phase})
        failed = sum(fault[0] == phase for fault in shopper.failed)
        middle, most = (f"{statistics.median(took):.2f}", f"{max(took):.2f}") if took else ("-", "-")
        print(f"{phase:<12} {len(took):>6} {failed:>7} {middle:>9} {most:>10}  {', '.join(by)}")
    loss = next(suite for suite in seen["card"]["suites"] if suite["name"] == "held_out")
    print(f"\nrows to {seen['name']}: {seen['trained']:.0f} s, held-out loss {loss['base']['value']:.3f} to "
          f"{loss['adapter']['value']:.3f} on {loss['rows']} dialogues, gate {'passed' if seen['card']['passed'] else 'not passed'}")
    print(f"promote: answered after {seen['promoted']:.2f} s, first whole reply by {seen['name']} after {seen['first']:.2f} s")
    print(f"rollback: first whole reply by the base after {seen['back']:.2f} s")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dialogues", type=Path, help="rows to train on (JSONL)")
    parser.add_argument("--steps", type=int, default=0, help="stop training after so many steps")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--test", type=float, default=0.2, help="share of the dialogues that is held out")
    parser.add_argument("--base", help="the model to train for, if it is not the default")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch)
        (data / "datasets").mkdir()
        shutil.copy(args.dialogues, data / "datasets" / "dialogues.jsonl")
        (data / "models").symlink_to(Path(os.environ["SHOPCLERK_MODELS"]).resolve())
        server = Server(os.environ.get("SHOPCLERK_BIN", "target/release/shopclerk"), data)
        shopper = Shopper(server)
        shopper.start()
        try:
            seen = work(server, shopper, args)
        finally:
            shopper.over = True
            shopper.join(PATIENCE)
            server.stop()
    tell(shopper, seen)
    early, late = len(seen["early"]), len(seen["late"])
    if shopper.failed or early or late:
        raise SystemExit(f"\n{len(shopper.failed)} chats failed, {early} made by the adapter too early, {late} too late")
    print("\nno chat failed")


if __name__ == "__main__":
    main()
