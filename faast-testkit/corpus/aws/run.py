#!/usr/bin/env python3
"""Sends one recorded corpus of AWS requests to several servers and compares the answers.

    run.py emulator=http://127.0.0.1:4000 [ministack=http://127.0.0.1:4566] [moto=http://127.0.0.1:5000] [--only TEXT] [--markdown]

Each `*.json` beside this file is a list of cases, sent in order:

    {"id": "..", "service": "iam", "operation": "CreateRole", "parameters": {..},
     "status": 200, "code": "", "expect": {"Role.Path": "/faast/"}, "save": {"arn": "Role.Arn"},
     "until": {"State": "Active"}, "region": "us-west-2", "fact": ".."}

`status` and `code` are what AWS answers, and `fact` says why. `expect` maps JMESPath expressions to values (`"*"`: anything
that is there), `save` keeps values for later `${names}`, `until` repeats the request until the expectations hold.
`{"$zip": true}`, `{"$bytes": n}` and `{"$text": n}` in parameters stand for data that would be too long to write down.
A case with `raw` instead of `operation` is signed and sent as it is: {"method", "path", "headers", "body"}.

The client validates nothing, so malformed requests reach the server. The first server has to answer as every case expects.
The others may differ only where DIFFERENCES.md says so. Exit code 1: an answer is neither expected nor listed, or a listed
difference is gone. Needs boto3 and nothing else. Run it against emulators only: it makes and deletes resources.
"""

import argparse
import io
import json
import pathlib
import sys
import time
import urllib.error
import urllib.request
import uuid
import zipfile

import boto3
import botocore.exceptions
import jmespath
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.handlers import validate_bucket_name

FOLDER = pathlib.Path(__file__).resolve().parent
REGION = "us-west-2"
SIGNING_NAMES = {"resourcegroupstaggingapi": "tagging"}
BOOTSTRAP = b"#!/bin/sh\nexit 1\n"


# What takes back a request that should have been refused and was not: operation, and the parameters that name the thing.
UNDO = {
    "CreateRole": ("DeleteRole", ["RoleName"]),
    "PutRolePolicy": ("DeleteRolePolicy", ["RoleName", "PolicyName"]),
    "AttachRolePolicy": ("DetachRolePolicy", ["RoleName", "PolicyArn"]),
    "CreateLogGroup": ("DeleteLogGroup", ["logGroupName"]),
    "CreateBucket": ("DeleteBucket", ["Bucket"]),
    "PutObject": ("DeleteObject", ["Bucket", "Key"]),
    "CreateQueue": ("DeleteQueue", ["QueueUrl"]),
    "CreateFunction": ("DeleteFunction", ["FunctionName"]),
}


class Server:
    """One endpoint, the clients made for it, and the values saved by earlier cases."""

    def __init__(self, name, endpoint):
        self.name = name
        self.endpoint = endpoint
        self.clients = {}
        self.saved = {"run": uuid.uuid4().hex[:12], "region": REGION, "account": "123456789012"}

    def client(self, service, region):
        key = (service, region)
        if key not in self.clients:
            config = Config(
                parameter_validation=False,
                retries={"max_attempts": 0, "mode": "standard"},
                s3={"addressing_style": "path"},
                connect_timeout=5,
                read_timeout=60,
            )
            client = boto3.session.Session().client(
                service,
                region_name=region,
                endpoint_url=self.endpoint,
                aws_access_key_id="test",
                aws_secret_access_key="test",
                config=config,
            )
            client.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
            self.clients[key] = client
        return self.clients[key]

    def send(self, case):
        """The answer as (status, error code, body)."""
        region = case.get("region", REGION)
        if "raw" in case:
            return self.send_raw(case["service"], region, self.fill(case["raw"]))
        client = self.client(case["service"], region)
        try:
            answer = client._make_api_call(case["operation"], self.fill(case.get("parameters", {})))
            return answer["ResponseMetadata"]["HTTPStatusCode"], "", readable(answer)
        except botocore.exceptions.ClientError as error:
            body = error.response
            return body["ResponseMetadata"]["HTTPStatusCode"], body["Error"].get("Code", ""), readable(body)
        except Exception as error:  # a client that cannot read the answer is a finding too
            return 0, type(error).__name__, {"Error": {"Message": str(error)}}

    def send_raw(self, service, region, raw):
        body = raw.get("body", "").encode()
        request = AWSRequest(raw.get("method", "POST"), self.endpoint + raw["path"], headers=raw.get("headers", {}), data=body)
        signing_name = SIGNING_NAMES.get(service, service)
        SigV4Auth(Credentials("test", "test"), signing_name, region).add_auth(request)
        plain = urllib.request.Request(request.url, data=body or None, headers=dict(request.headers), method=request.method)
        try:
            with urllib.request.urlopen(plain, timeout=60) as answer:
                return answer.status, "", {"Body": answer.read().decode(errors="replace")}
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            return error.code, error_code(error.headers, text), {"Body": text}

    def fill(self, value):
        """`value` with saved values and long data in place of what stands for them."""
        if isinstance(value, str):
            for name, saved in self.saved.items():
                value = value.replace("${" + name + "}", str(saved))
            return value
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            if "$zip" in value:
                return archive()
            if "$bytes" in value:
                return b"x" * value["$bytes"]
            if "$text" in value:
                return "x" * value["$text"]
            if "$json" in value:
                return json.dumps(self.fill(value["$json"]))
            return {self.fill(name): self.fill(item) for name, item in value.items()}
        return value

    def run(self, case):
        """None if the answer is the expected one, else what came instead, in one line."""
        patience = time.monotonic() + 20
        while True:
            status, code, body = self.send(case)
            wrong = self.compare(case, status, code, body)
            if wrong is None or "until" not in case or time.monotonic() > patience:
                break
            time.sleep(0.2)
        if wrong is not None:
            wrong = self.stable(wrong)
        for name, expression in case.get("save", {}).items():
            self.saved[name] = jmespath.search(expression, body) or "missing"
        if case["status"] in range(400, 500) and status not in range(400, 500):
            self.undo(case, body)
        return wrong, body

    def undo(self, case, body):
        """Takes back what a lenient server did, so that it is one difference and not the cause of others."""
        if case.get("operation") in UNDO:
            operation, names = UNDO[case["operation"]]
            known = {**self.fill(case.get("parameters", {})), **body}
            parameters = {name: known[name] for name in names if name in known}
            self.send({**case, "operation": operation, "parameters": parameters})

    def stable(self, text):
        """`text` as it is in every run, in one cell of a table."""
        for name in ["run", "account"]:
            text = text.replace(self.saved[name], "${" + name + "}")
        text = " ".join(text.replace(self.endpoint, "${endpoint}").replace("|", "/").replace("`", "'").split())
        return text if len(text) <= 120 else text[:120] + ".."

    def compare(self, case, status, code, body):
        if status != case["status"] or code != case.get("code", ""):
            return f"{status} {code}".strip()
        for expression, expected in {**case.get("expect", {}), **case.get("until", {})}.items():
            found = jmespath.search(expression, body)
            expected = self.fill(expected)
            if (found is None) if expected == "*" else (found != expected):
                return f"{status} with {expression} = {json.dumps(found, default=str)}"
        return None


def error_code(headers, text):
    code = headers.get("x-amzn-errortype", "").split(":")[0]
    if code:
        return code
    try:
        return json.loads(text).get("__type", "").split("#")[-1]
    except ValueError:
        return text.split("<Code>")[1].split("</Code>")[0] if "<Code>" in text else ""


def readable(answer):
    if hasattr(answer.get("Body"), "read"):
        answer["Body"] = answer["Body"].read().decode(errors="replace")
    if hasattr(answer.get("Payload"), "read"):
        answer["Payload"] = answer["Payload"].read().decode(errors="replace")
    return answer


def archive():
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w") as made:
        entry = zipfile.ZipInfo("bootstrap")
        entry.external_attr = 0o100755 << 16
        made.writestr(entry, BOOTSTRAP)
    return memory.getvalue()


def listed():
    """The rows of DIFFERENCES.md: (case, server) -> answer."""
    rows = {}
    for line in (FOLDER / "DIFFERENCES.md").read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("| `") and len(cells) >= 4:
            rows[(cells[0].strip("`"), cells[1])] = cells[2].strip("`")
    return rows


def cases(only):
    seen = set()
    for path in sorted(FOLDER.glob("*.json")):
        for case in json.loads(path.read_text()):
            if case["id"] in seen:
                sys.exit(f"{path.name}: the id {case['id']} is used twice")
            if not case.get("fact"):
                sys.exit(f"{path.name}: {case['id']} has no fact")
            seen.add(case["id"])
            if only in path.name or only in case["id"]:
                yield case


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="+", metavar="name=endpoint", help="the first has to answer as expected")
    parser.add_argument("--only", default="", help="only cases or files whose name contains this")
    parser.add_argument("--markdown", action="store_true", help="print unlisted differences as rows for DIFFERENCES.md")
    options = parser.parse_args()
    servers = [Server(*argument.split("=", 1)) for argument in options.servers]
    known = listed()
    count = listed_count = 0
    faults, rows, met = [], [], set()
    for case in cases(options.only):
        count += 1
        for place, server in enumerate(servers):
            wrong, body = server.run(case)
            if wrong is None:
                continue
            message = " ".join(str(body.get("Error", {}).get("Message", body.get("Body", ""))).split())[:160]
            expected = f"{case['status']} {case.get('code', '')}".strip()
            key = (case["id"], server.name)
            if place == 0:
                faults.append(f"{server.name} deviates: {case['id']}: expected {expected}, got {wrong} {message}")
            elif known.get(key) == wrong:
                listed_count += 1
                met.add(key)
                print(f"{case['id']:44} {server.name:10} {wrong:44} expected {expected}")
            else:
                met.add(key)
                faults.append(f"not listed: {case['id']} {server.name}: expected {expected}, got {wrong} {message}")
                rows.append(f"| `{case['id']}` | {server.name} | `{wrong}` | `{expected}` | {case['fact']} |")
    names = {server.name for server in servers[1:]}
    if not options.only:
        for key in known:
            if key[1] in names and key not in met:
                faults.append(f"listed, but there is no difference: {key[0]} {key[1]}")
    print("\n".join(rows if options.markdown else faults))
    print(f"{count} requests to {len(servers)} servers, {listed_count} listed differences, {len(faults)} faults")
    sys.exit(1 if faults else 0)


if __name__ == "__main__":
    main()
