// Discover an authority by both documents and exchange the token on standard input, with openid-client (RFC 8414, OpenID Connect
// Discovery, RFC 8693, and RFC 7523 where an assertion is given).
import { text } from 'node:stream/consumers';
import * as client from 'openid-client';

const JWT = 'urn:ietf:params:oauth:token-type:jwt';
const [issuer, audience] = process.argv.slice(2);
const subject = (await text(process.stdin)).trim();
const assertion = process.env.CLIENT_ASSERTION;

// Nobody is registered here: the caller is known by the subject token, or by an assertion that somebody else has signed.
function authenticate(_server, _client, body) {
  if (assertion) {
    body.set('client_assertion', assertion);
    body.set('client_assertion_type', 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer');
  }
}

async function attempt(call) {
  try {
    return await call();
  } catch (error) {
    return { error: error.error ?? error.code ?? String(error), description: error.error_description, status: error.status };
  }
}

const discover = (algorithm) =>
  client.discovery(new URL(issuer), 'e2e', {}, authenticate, { algorithm, execute: [client.allowInsecureRequests] });
const [oauth2, oidc] = [await discover('oauth2'), await discover('oidc')];
const names = (config) => Object.fromEntries(Object.entries(config.serverMetadata()).filter(([, value]) => typeof value !== 'function'));
const exchange = (parameters) => attempt(() => client.genericGrantRequest(
  oauth2, 'urn:ietf:params:oauth:grant-type:token-exchange', { subject_token: subject, subject_token_type: JWT, ...parameters },
));
const answer = { oauth2: names(oauth2), oidc: names(oidc) };
if (assertion) {
  answer.granted = await attempt(() => client.clientCredentialsGrant(oauth2, { audience }));
} else {
  answer.exchanged = await exchange({ audience, requested_token_type: JWT });
  answer.foreign_audience = await exchange({ audience: 'https://nobody.test', requested_token_type: JWT });
}
console.log(JSON.stringify(answer));
