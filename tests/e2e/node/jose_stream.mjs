// Verify tokens as they come, one on a line, with keys that are never older than a given number of milliseconds and are not looked
// up again before, whatever a token names: what a relying party does that holds to the refresh hint. One line of JSON for each.
import { createInterface } from 'node:readline';
import { createLocalJWKSet, jwtVerify } from 'jose';

const [keys, issuer, audience, longest] = process.argv.slice(2);
let [known, fetched] = [null, -Infinity];

async function current() {
  if (performance.now() - fetched > Number(longest)) {
    const asked = performance.now();
    known = createLocalJWKSet(await (await fetch(keys)).json());
    fetched = asked;
  }
  return known;
}

for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, await current(), { issuer, audience });
    console.log(JSON.stringify({ kid: protectedHeader.kid, sub: payload.sub }));
  } catch (error) {
    console.log(JSON.stringify({ error: `${error.code}: ${error.message}`, token }));
  }
}
