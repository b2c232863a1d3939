"""Holds a running program against its own description.

    python run.py PROGRAM SCHEMATHESIS

Starts PROGRAM embedded in a folder of its own, makes sales, tickets, passes and orders through its API, and lets
Schemathesis call every operation of /openapi.json with 20 examples from a fixed seed: no 5xx, no status that is not
described, no answer that contradicts its schema.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

SEED = 20261127
EXAMPLES = 20
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
# A machine that compiles beside this test is slow.
DEADLINE_SECONDS = 60


def sale(sale_id, **changes):
    item = {
        "id": "pair",
        "name": {"ko": "한 켤레", "en": "One pair"},
        "price": {"amount": 189000, "currency": "KRW"},
        "units": 1000,
    }
    document = {
        "id": sale_id,
        "name": {"ko": "한정판 운동화", "en": "Limited sneaker"},
        "opens_at": "2026-01-01T00:00:00Z",
        "items": [item],
        "per_buyer_limit": 100,
        "hold_seconds": 3600,
        "admission": {"per_minute": 60000, "max_active": 1000},
    }
    return document | changes


class Shop:
    """The program, and what a seller and buyers have done in it."""

    def __init__(self, program, folder):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("OPENRUN_")}
        environment = clean | {"OPENRUN_LISTEN": f"127.0.0.1:{port}", "OPENRUN_PUBLIC_URL": self.url}
        start = {"cwd": folder, "env": environment}
        self.log = open(Path(folder) / "openrun.log", "w", encoding="utf-8")
        self.process = subprocess.Popen([program, "serve"], stdout=self.log, stderr=self.log, **start)
        self.await_that(lambda: self.call("GET", "/readyz")[0] == 200)
        token = [program, "token", "--role", "operator", "--ttl", "1h"]
        self.token = subprocess.run(token, capture_output=True, text=True, check=True, **start).stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(DEADLINE_SECONDS)
        self.log.close()

    def await_that(self, condition):
        until = time.monotonic() + DEADLINE_SECONDS
        while not condition():
            if self.process.poll() is not None or time.monotonic() > until:
                sys.exit("the program did not come up, or its sale did not move on")
            time.sleep(0.05)

    def call(self, method, path, body=None, bearer=None, key=None):
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {bearer}"} if bearer else {}
        headers |= {"Idempotency-Key": key} if key else {}
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=DEADLINE_SECONDS) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read()
        except OSError:
            return 0, b""

    def made(self, *arguments, **named):
        status, body = self.call(*arguments, **named)
        if status not in (200, 201, 202):
            sys.exit(f"{arguments[:2]}: {status} {body.decode()}")
        return json.loads(body)

    def ticket(self, sale_id, key):
        return self.made("POST", f"/v1/sales/{sale_id}/tickets", key=key)["ticket"]

    def admitted(self, sale_id, key):
        ticket = self.ticket(sale_id, key)
        enter = ("POST", f"/v1/sales/{sale_id}/passes")
        self.await_that(lambda: self.call(*enter, bearer=ticket)[0] in (200, 201))
        return ticket, self.made(*enter, bearer=ticket)["pass"]

    def order(self, sale_id, key):
        _, bearer = self.admitted(sale_id, key)
        body = {"lines": [{"item": "pair", "quantity": 1}]}
        order = self.made("POST", f"/v1/sales/{sale_id}/orders", body=body, bearer=bearer, key="order")
        return order["id"], bearer


def stage(shop):
    """What each operation is called with, by its id: path parameters, and who asks."""
    for document in [sale("open"), sale("changed"), sale("closing"), sale("waiting", admission={"per_minute": 0})]:
        shop.made("POST", "/v1/sales", body=document, bearer=shop.token)
    ticket, _ = shop.admitted("open", "enters")
    _, unused = shop.admitted("open", "reserves")
    paid, payer = shop.order("open", "pays")
    cancelled, canceller = shop.order("open", "cancels")
    shown, looker = shop.order("open", "looks")
    seller = {"sale": "changed", "bearer": shop.token}
    return {
        "join": {"sale": "open"},
        "show_frame": {"sale": "open"},
        "stream_frames": {"sale": "open"},
        "show_ticket": {"sale": "waiting", "bearer": shop.ticket("waiting", "waits")},
        "leave": {"sale": "waiting", "bearer": shop.ticket("waiting", "leaves")},
        "enter": {"sale": "open", "bearer": ticket},
        "show_sale": {"sale": "open"},
        "place_order": {"sale": "open", "bearer": unused},
        "show_order": {"order": shown, "bearer": looker},
        "pay_order": {"order": paid, "bearer": payer},
        "cancel_order": {"order": cancelled, "bearer": canceller},
        "create_sale": {"bearer": shop.token},
        "change_sale": seller,
        "update_admission": seller,
        "pause_sale": seller,
        "resume_sale": seller,
        "close_sale": {"sale": "closing", "bearer": shop.token},
        "show_live_figures": {"sale": "open", "bearer": shop.token},
        "list_orders": {"sale": "open", "bearer": shop.token},
        "verify_sale": {"sale": "closing", "bearer": shop.token},
        "add_seller": {"bearer": shop.token},
    }


def configuration(staged):
    """The same as Schemathesis reads it. Every other generated id and token is one of nobody."""
    lines = [
        f"seed = {SEED}",
        "max-stream-events = 1",
        "request-timeout = 60",
        "[generation]",
        f"max-examples = {EXAMPLES}",
        "database = 'none'",
        "[phases.stateful]",
        "enabled = false",
    ]
    for operation, named in staged.items():
        lines += ["[[operations]]", f"include-operation-id = '{operation}'"]
        bearer = named.get("bearer")
        if bearer:
            lines.append(f"headers = {{ Authorization = 'Bearer {bearer}' }}")
        parameters = [f"'path.{name}' = '{value}'" for name, value in named.items() if name != "bearer"]
        if parameters:
            lines.append(f"parameters = {{ {', '.join(parameters)} }}")
    return "\n".join(lines) + "\n"


def main():
    program, schemathesis = (str(Path(argument).resolve()) for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as folder:
        shop = Shop(program, folder)
        try:
            (Path(folder) / "schemathesis.toml").write_text(configuration(stage(shop)), encoding="utf-8")
            command = [schemathesis, "run", f"{shop.url}/openapi.json", "--checks", ",".join(CHECKS)]
            code = subprocess.run([*command, "--continue-on-failure", "--no-color"], cwd=folder).returncode
            if shop.process.poll() is not None:
                sys.exit("the program ended by itself")
        finally:
            shop.stop()
    sys.exit(code)


main()
