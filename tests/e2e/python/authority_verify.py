"""Verify a token as relying parties in Python do, from nothing but the issuer's name: PyJWT and Authlib, each with its own reading.

Authlib takes an issuer without TLS when AUTHLIB_INSECURE_TRANSPORT is set, as its manual has it for loopback.
"""
import argparse
import json
import sys

import jwt
import requests
from authlib.oidc.discovery import OpenIDProviderMetadata, get_well_known_url
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

parser = argparse.ArgumentParser()
parser.add_argument("issuer")
parser.add_argument("audience")
args = parser.parse_args()
token = sys.stdin.read().strip()


def with_pyjwt(metadata):
    key = jwt.PyJWKClient(metadata["jwks_uri"]).get_signing_key_from_jwt(token)
    algorithms = metadata["id_token_signing_alg_values_supported"]
    options = {"require": ["exp", "iat", "sub", "aud", "iss"]}
    return jwt.decode(token, key, algorithms=algorithms, audience=args.audience, issuer=args.issuer, options=options)


def with_authlib(metadata):
    # joserfc is what Authlib verifies with.
    keys = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=20).json())
    verified = joserfc_jwt.decode(token, keys, algorithms=metadata["id_token_signing_alg_values_supported"])
    wanted = {"iss": {"essential": True, "value": args.issuer}, "aud": {"essential": True, "value": args.audience}}
    joserfc_jwt.JWTClaimsRegistry(**wanted, exp={"essential": True}).validate(verified.claims)
    return verified.claims


def main():
    # Authlib knows where the document is and what must be in it.
    answer = requests.get(get_well_known_url(args.issuer, external=True), timeout=20)
    answer.raise_for_status()
    metadata = OpenIDProviderMetadata(answer.json())
    metadata.validate_issuer()
    metadata.validate_jwks_uri()
    metadata.validate_subject_types_supported()
    metadata.validate_id_token_signing_alg_values_supported()
    print(json.dumps({"pyjwt": with_pyjwt(metadata), "authlib": with_authlib(metadata), "metadata": dict(metadata)}))


main()
