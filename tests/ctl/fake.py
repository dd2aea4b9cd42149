# SPDX-License-Identifier: BSD-2-Clause
"""A control endpoint of the tests' own: answers what it is told to, and remembers what it was asked.
With it a client's every road can be walked without a daemon, the broken answers included."""
import http.server
import json
import os
import socketserver
import threading

IQN = "iqn.1997-05.com.amazon:myvolume"
OTHER = "iqn.1997-05.com.amazon:other"
ARN = "arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-12A3456B/target/"
INITIATOR = "iqn.1991-05.com.microsoft:computername.domain.example.com"
UPDATE = "StorageGateway_20130630.UpdateChapCredentials"
DESCRIBE = "StorageGateway_20130630.DescribeChapCredentials"
DELETE = "StorageGateway_20130630.DeleteChapCredentials"
ROTATE = "Portcullis_20261122.RotateChapCredentials"
FINISH = "Portcullis_20261122.FinishChapRotation"
ROTATIONS = "Portcullis_20261122.ListChapRotations"
TARGETS = "Portcullis_20261122.ListTargets"
SESSIONS = "Portcullis_20261122.ListSessions"
STATISTICS = "Portcullis_20261122.GetStatistics"
CLOSE = "Portcullis_20261122.CloseSession"
DRAIN = "Portcullis_20261122.DrainTarget"
RESIZE = "Portcullis_20261122.ResizeLun"


class Handler(http.server.BaseHTTPRequestHandler):
    """One request; what is answered stands in the server's `answers`, by operation."""
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        operation = self.headers["X-Amz-Target"]
        self.server.asked.append((operation, json.loads(body), self.path, dict(self.headers), body))
        answer = self.server.answers.get(operation, (400, {"__type": "UnknownOperationException",
                                                           "message": "unknown operation"}))
        if callable(answer):
            answer = answer(self.server.asked[-1][1])
        if answer is None:  # a daemon that dies over the request
            self.close_connection = True
            return
        status, reply = answer
        data = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if data:
            self.wfile.write(data)

    def log_message(self, *arguments):
        pass

    def address_string(self):
        return "unix"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """asked = [(operation, members, path, headers, body)]; answers = {operation: (status, reply), None, or what
    answers so when it is called with the members}."""
    daemon_threads = True

    def __init__(self, path):
        super().__init__(path, Handler)
        self.path = path
        self.asked = []
        self.answers = {}
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def handle_error(self, request, client_address):
        """A client that no longer waits is none of the server's errors."""

    def finish_all(self):
        self.shutdown()
        self.server_close()
        os.unlink(self.path)


def refusal(code, message, kind="InvalidGatewayRequestException"):
    """An error as the daemon answers it."""
    reply = {"__type": kind, "message": message}
    if code:
        reply["error"] = {"errorCode": code}
    return reply
