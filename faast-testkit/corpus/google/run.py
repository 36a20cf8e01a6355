#!/usr/bin/env python3
"""Sends one recorded corpus of requests to several servers and compares the answers.

    run.py emulator=http://127.0.0.1:4000 [storage=..] [registry=..] [pubsub=..] [--only TEXT] [--markdown]

`emulator` is asked for everything; `storage` is gcp-storage-emulator, `registry` Debian's docker-registry, `pubsub` Google's own
emulator, each asked for its own service. Each `*.json` beside this file is a list of cases, sent in order:

    {"id": "..", "service": "storage", "method": "POST", "path": "/storage/v1/b?project=p", "body": {..}, "status": 200,
     "expect": {"name": "bucket-${run}"}, "save": {"upload": "header:location"}, "until": true, "fact": ".."}

`status` is what Google answers, and `fact` says where that stands. `expect` maps paths in the JSON of an answer (`a.0.b`,
`header:name`, or `text` for the whole) to values (`"*"`: anything that is there, `"absent"`: nothing). `save` keeps values for
later `${names}`; `run` is a new word in each run. `query` is added to the path. `body` is sent as JSON, `text` and `hex` as they are. `until` repeats a
request until it is answered as expected, where something takes time.

The first server has to answer as every case expects. The others may differ only where DIFFERENCES.md says so. Exit code 1: an
answer is neither expected nor listed, or a listed difference is gone. Needs Python and nothing else. Run it against emulators
only: it makes and deletes resources.
"""

import argparse
import http.client
import json
import pathlib
import re
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

FOLDER = pathlib.Path(__file__).resolve().parent
REPEATS = 100


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


# No proxy, and a redirect is an answer.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}), NoRedirect)


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.text = body.decode("utf-8", "replace")
        try:
            self.json = json.loads(self.text)
        except ValueError:
            self.json = None

    def value(self, path):
        """The value at a path, or None."""
        if path == "text":
            return self.text
        if path.startswith("header:"):
            return self.headers.get(path.removeprefix("header:"))
        value = self.json
        for part in path.split("."):
            if isinstance(value, list) and part.isdigit() and int(part) < len(value):
                value = value[int(part)]
            elif isinstance(value, dict):
                value = value.get(part)
            else:
                return None
        return value


class Server:
    """One endpoint, and the values saved by earlier cases."""

    def __init__(self, name, endpoint):
        self.name = name
        self.endpoint = endpoint.rstrip("/")
        self.saved = {"run": uuid.uuid4().hex[:12]}

    def serves(self, case):
        return self.name in ("emulator", case["service"])

    def fill(self, value):
        """The value with every `${name}` replaced."""
        if isinstance(value, str):
            return re.sub(r"\$\{(\w+)\}", lambda name: str(self.saved.get(name[1], "missing")), value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def send(self, case):
        url = urllib.parse.urljoin(self.endpoint + "/", self.fill(case["path"]))
        if "query" in case:
            # What was saved may have a query already.
            url += ("&" if "?" in url else "?") + urllib.parse.urlencode(self.fill(case["query"]))
        headers = {key: self.fill(value) for key, value in case.get("headers", {}).items()}
        data = None
        if "body" in case:
            data = json.dumps(self.fill(case["body"])).encode()
            headers.setdefault("content-type", "application/json")
        elif "text" in case:
            data = self.fill(case["text"]).encode()
        elif "hex" in case:
            data = bytes.fromhex(case["hex"])
        elif case["method"] in ("POST", "PUT"):
            data = b""
        if data is not None:
            headers.setdefault("content-type", "application/octet-stream")
        request = urllib.request.Request(url, data, headers, method=case["method"])
        try:
            with OPENER.open(request, timeout=60) as answer:
                return Answer(answer.status, answer.headers, answer.read())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.headers, error.read())
        except (http.client.HTTPException, ConnectionError):
            return Answer("no answer", {}, b"")

    def play(self, case):
        """How this server answers otherwise than expected, in few words; empty if it does not."""
        for turn in range(REPEATS if case.get("until") else 1):
            if turn:
                time.sleep(0.05)
            answer = self.send(case)
            wrong = self.compare(case, answer)
            if not wrong:
                break
        for name, path in case.get("save", {}).items():
            value = answer.value(path)
            if value is not None:
                self.saved[name] = value
        return wrong

    def compare(self, case, answer):
        if answer.status != case["status"]:
            return str(answer.status)
        for path, wanted in case.get("expect", {}).items():
            wanted, found = self.fill(wanted), answer.value(path)
            matches = {"*": found is not None, "absent": found is None}.get(wanted if isinstance(wanted, str) else "", found == wanted)
            if not matches:
                return f"{answer.status}, {path} is {shown(found)}"
        return ""


def shown(value):
    """A value in few words, the same in every run."""
    if isinstance(value, (dict, list)) and value:
        return "an array" if isinstance(value, list) else "an object"
    return json.dumps(value)


def listed():
    """The differences that are listed: (case, server) -> answer."""
    rows = {}
    for line in (FOLDER / "DIFFERENCES.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            rows[cells[0].strip("`"), cells[1]] = cells[2].strip("`")
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("servers", nargs="+")
    parser.add_argument("--only", default="")
    parser.add_argument("--markdown", action="store_true")
    options = parser.parse_args()
    servers = [Server(*server.split("=", 1)) for server in options.servers]
    cases = [case for path in sorted(FOLDER.glob("*.json")) for case in json.loads(path.read_text())]
    known, wrong, sent, differences, seen = listed(), [], 0, 0, set()
    for case in cases:
        if options.only not in case["id"]:
            continue
        for server in (server for server in servers if server.serves(case)):
            sent += 1
            found = server.play(case)
            allowed = known.get((case["id"], server.name))
            seen.add((case["id"], server.name))
            if found and found == allowed:
                differences += 1
            elif found:
                wrong.append(f"{case['id']}: {server.name} answers {found}; expected is {case['status']} {case.get('expect', '')}")
                if options.markdown:
                    print(f"| `{case['id']}` | {server.name} | `{found}` | `{case['status']}` | {case['fact']} |")
            elif allowed:
                wrong.append(f"{case['id']}: {server.name} answers as Google does, and DIFFERENCES.md says `{allowed}`")
    names = {case["id"] for case in cases}
    wrong += [f"{case}: DIFFERENCES.md lists it, and there is no such case" for case, _ in known if case not in names]
    for line in wrong:
        print(line, file=sys.stderr)
    print(f"{sent} requests, {differences} listed differences, {len(wrong)} wrong")
    sys.exit(1 if wrong or not sent else 0)


if __name__ == "__main__":
    main()
