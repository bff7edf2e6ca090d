"""An API server that reviews tokens and does nothing else (authentication.k8s.io/v1). It lets in whom the rendered rights let in."""

import http.server
import json
import ssl
import tempfile
import threading

import rights


class Server:
    """`tokens` are accounts by their tokens: (namespace, name, audience)."""

    def __init__(self, documents, certificate, tokens):
        self.documents, self.tokens, self.asked = documents, tokens, []
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                status, answer = owner.answer(self.path, self.headers.get("Authorization", ""), body)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(certificate["tls.key"] + certificate["tls.crt"])
            file.flush()
            context.load_cert_chain(file.name)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, path, authorization, body):
        caller = self.tokens.get(authorization.removeprefix("Bearer "))
        if path != "/apis/authentication.k8s.io/v1/tokenreviews" or caller is None:
            return 401, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Unauthorized", "code": 401}
        if ("authentication.k8s.io", "tokenreviews", "create") not in rights.given(self.documents).get(caller[1], set()):
            return 403, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
        account = self.tokens.get(body["spec"]["token"])
        self.asked.append(body["spec"]["audiences"])
        if account is None or account[2] not in body["spec"]["audiences"]:
            return 201, body | {"status": {"authenticated": False, "error": "the token is not for these audiences"}}
        extra = {
            "pod-name": "carnet-agent-x1", "pod-uid": "0b5a7c5e-6f0e-4a53-9d7c-000000000001", "node-name": "node-1", "node-uid": "0b5a7c5e-6f0e-4a53-9d7c-00000000000a",
        }
        user = {
            "username": f"system:serviceaccount:{account[0]}:{account[1]}", "uid": "0b5a7c5e-6f0e-4a53-9d7c-0000000000ff",
            "groups": ["system:serviceaccounts", f"system:serviceaccounts:{account[0]}", "system:authenticated"],
            "extra": {f"authentication.kubernetes.io/{name}": [value] for name, value in extra.items()},
        }
        return 201, body | {"status": {"authenticated": True, "user": user, "audiences": [account[2]]}}
