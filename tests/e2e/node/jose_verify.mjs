// Verify the token on standard input from nothing but the issuer's name, with jose.
import { text } from 'node:stream/consumers';
import { createRemoteJWKSet, jwtVerify } from 'jose';

const [issuer, audience] = process.argv.slice(2);
const answer = await fetch(`${issuer}/.well-known/openid-configuration`);
const { jwks_uri: keys, id_token_signing_alg_values_supported: algorithms } = await answer.json();
const { payload, protectedHeader } = await jwtVerify((await text(process.stdin)).trim(), createRemoteJWKSet(new URL(keys)), {
  issuer, audience, algorithms, requiredClaims: ['exp', 'iat', 'sub'],
});
console.log(JSON.stringify({ claims: payload, header: protectedHeader }));
