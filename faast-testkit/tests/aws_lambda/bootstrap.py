#!/usr/bin/python3
"""A runtime that does what its events tell it to. It knows nothing of faast."""

import base64
import http.client
import json
import os
import signal
import sys
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
BASE = "/2018-06-01/runtime"
CALLS = 0


def request(method, path, body=None, headers=None):
    connection = http.client.HTTPConnection(API)
    connection.request(method, BASE + path, body, headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response, content


def note(path):
    """One line for each run."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")


def wait_for(path):
    while not os.path.exists(path):
        time.sleep(0.002)


def stream(request_id, event):
    chunks = event["chunks"]
    connection = http.client.HTTPConnection(API)
    connection.putrequest("POST", f"{BASE}/invocation/{request_id}/response")
    connection.putheader("Transfer-Encoding", "chunked")
    connection.putheader("Lambda-Runtime-Function-Response-Mode", "streaming")
    connection.putheader("Trailer", "Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body")
    connection.endheaders()
    for index, chunk in enumerate(chunks):
        data = chunk.encode()
        connection.send(b"%x\r\n%s\r\n" % (len(data), data))
        if index == 0 and "file" in event:
            wait_for(event["file"])
    if "exit" in event:
        connection.sock.close()
        os._exit(event["exit"])
    connection.send(b"0\r\n")
    if event.get("broken"):
        body = base64.b64encode(json.dumps({"errorType": "Broken", "errorMessage": "half way"}).encode())
        connection.send(b"Lambda-Runtime-Function-Error-Type: Broken\r\n")
        connection.send(b"Lambda-Runtime-Function-Error-Body: " + body + b"\r\n")
    connection.send(b"\r\n")
    return connection.getresponse().status


def answer(request_id, event, headers):
    """What the event asks for; nothing if it was answered."""
    what = event.get("do") if isinstance(event, dict) else None
    if what == "print":
        print(event["text"], flush=True)
    elif what == "sleep":
        time.sleep(event["seconds"])
    elif what == "exit":
        print("leaving", flush=True)
        os._exit(event["code"])
    elif what == "kill":
        os.kill(os.getpid(), event["signal"])
    elif what == "child":
        child = os.fork()
        if child == 0:
            signal.pause()
            os._exit(0)
        return {"child": child, "process": os.getpid()}
    elif what == "allocate":
        memory = bytearray(event["mb"] << 20)
        for at in range(0, len(memory), 4096):
            memory[at] = 1
        time.sleep(event.get("seconds", 0))
    elif what == "error":
        body = json.dumps({"errorType": "Mine", "errorMessage": "as wanted"})
        request("POST", f"/invocation/{request_id}/error", body, {"Lambda-Runtime-Function-Error-Type": "Mine"})
        return None
    elif what == "large":
        response, content = request("POST", f"/invocation/{request_id}/response", b'"' + b"x" * event["bytes"] + b'"')
        print("answered with", response.status, content.decode(), flush=True)
        return None
    elif what == "stream":
        print("stream:", stream(request_id, event), flush=True)
        return None
    elif what == "note":
        note(event["note"])
    elif what == "gate":
        if "note" in event:
            note(event["note"])
        wait_for(event["file"])
    elif what == "environment":
        return {"variables": dict(os.environ), "cwd": os.getcwd(), "files": sorted(os.listdir("."))}
    elif what == "headers":
        return {name.lower(): value for name, value in headers.items()}
    elif what == "stale":
        return [
            request("POST", "/invocation/unknown/response", b"1")[0].status,
            request("POST", f"/invocation/{event['last']}/response", b"1")[0].status,
            request("POST", f"/invocation/{request_id}/response", b"1", {"Lambda-Runtime-Invocation-Id": "other"})[0].status,
            request("GET", "/invocation/next")[0].status,
        ]
    elif what == "twice":
        request("POST", f"/invocation/{request_id}/response", b"1")
        print("second:", request("POST", f"/invocation/{request_id}/error", b"{}")[0].status, flush=True)
        return None
    return {"event": event, "calls": CALLS, "process": os.getpid(), "request": request_id}


def main():
    global CALLS
    handler = os.environ["_HANDLER"]
    if handler == "init.error":
        body = json.dumps({"errorType": "Mine.Init", "errorMessage": "can not start"})
        request("POST", "/init/error", body, {"Lambda-Runtime-Function-Error-Type": "Mine.Init"})
        sys.exit(1)
    if handler == "init.exit":
        sys.exit(3)
    if handler == "init.slow":
        time.sleep(float(os.environ["SLOW"]))
    print("started", flush=True)
    while True:
        response, body = request("GET", "/invocation/next")
        CALLS += 1
        request_id = response.headers["Lambda-Runtime-Aws-Request-Id"]
        result = answer(request_id, json.loads(body), response.headers)
        if result is not None:
            request("POST", f"/invocation/{request_id}/response", json.dumps(result))


main()
