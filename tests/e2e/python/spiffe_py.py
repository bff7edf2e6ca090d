"""What a Python workload does with py-spiffe: sources that keep themselves fresh, and the client below them. No option of the channel."""
import json
import os

from cryptography.hazmat.primitives import serialization
from spiffe import JwtSource, JwtSvid, WorkloadApiClient, X509Source
from spiffe.errors import PySpiffeError

TIMEOUT = 20
AUDIENCE = "https://audience.test"


def pem(certificates):
    return "".join(one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)


def client():
    with WorkloadApiClient(default_timeout=TIMEOUT) as api:
        context = api.fetch_x509_context()
        token = api.fetch_jwt_svid({AUDIENCE})
        bundle = api.fetch_jwt_bundles().get_bundle_for_trust_domain(token.spiffe_id.trust_domain)
        checked = JwtSvid.parse_and_validate(token.token, bundle, {AUDIENCE})
        return {
            "x509": str(context.default_svid.spiffe_id),
            "svids": [str(svid.spiffe_id) for svid in api.fetch_x509_svids()],
            "x509_bundles": sorted(str(one.trust_domain) for one in api.fetch_x509_bundles().bundles),
            "jwt": str(checked.spiffe_id),
            "validated": str(api.validate_jwt_svid(token.token, AUDIENCE).spiffe_id),
            "other_audience": said(lambda: api.validate_jwt_svid(token.token, "https://other.test")),
        }


def said(call):
    try:
        call()
    except PySpiffeError as error:
        return str(error)
    return "accepted"


def sources():
    with X509Source(timeout_in_seconds=TIMEOUT) as x509, JwtSource(timeout_in_seconds=TIMEOUT) as jwt:
        svid = x509.get_x509_context().default_svid
        domain = svid.spiffe_id.trust_domain
        key = svid.private_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        token = jwt.fetch_svid({AUDIENCE})
        folder = os.environ.get("PUT_INTO")
        if folder:
            for name, text in {
                "svid.pem": pem(svid.cert_chain),
                "bundle.pem": pem(x509.get_bundle_for_trust_domain(domain).x509_authorities),
                "key.pem": key.decode(),
            }.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8", opener=private) as file:
                    file.write(text)
        return {
            "x509": str(svid.spiffe_id),
            "jwt": str(token.spiffe_id),
            "authorities": sorted(jwt.get_bundle_for_trust_domain(domain).jwt_authorities),
        }


def private(path, flags):
    return os.open(path, flags, 0o600)


print(json.dumps({"client": client(), "sources": sources()}))
