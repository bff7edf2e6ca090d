// Discover, exchange, look up and revoke with oauth4webapi, which checks every answer against the standards itself.
import { text } from 'node:stream/consumers';
import * as oauth from 'oauth4webapi';

const [issuer, audience] = process.argv.slice(2);
const subject = (await text(process.stdin)).trim();
const insecure = { [oauth.allowInsecureRequests]: true };
const url = new URL(issuer);
const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, { algorithm: 'oauth2', ...insecure }));
const client = { client_id: 'e2e' };
const parameters = new URLSearchParams({
  subject_token: subject,
  subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
  requested_token_type: 'urn:ietf:params:oauth:token-type:access_token',
  audience,
});
const grant = 'urn:ietf:params:oauth:grant-type:token-exchange';
const issued = await oauth.processGenericTokenEndpointResponse(
  server, client, await oauth.genericTokenEndpointRequest(server, client, oauth.None(), grant, parameters, insecure),
);

// Who may look a token up is said by a rule; the caller shows the token that the rule is about.
const bearer = (_server, _client, _body, headers) => headers.set('authorization', `Bearer ${subject}`);
async function look() {
  const answer = await oauth.introspectionRequest(server, client, bearer, issued.access_token, insecure);
  return oauth.processIntrospectionResponse(server, client, answer);
}
const before = await look();
const revoked = await oauth.revocationRequest(server, client, bearer, issued.access_token, insecure);
await oauth.processRevocationResponse(revoked);
console.log(JSON.stringify({ issued, before, after: await look() }));
