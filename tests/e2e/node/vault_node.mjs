// The usual flows of node-vault: a new server from nothing to a secret, or one secret with the token in VAULT_TOKEN.
import vault from 'node-vault';

const [endpoint, issuer] = process.argv.slice(2);
const refused = async (action) => {
  try {
    await action();
    return null;
  } catch (error) {
    return error.response ? error.response.statusCode : String(error);
  }
};

async function setUp() {
  const client = vault({ endpoint });
  const before = (await client.health()).initialized;
  const keys = await client.init({ secret_shares: 1, secret_threshold: 1 });
  client.token = keys.root_token;
  const sealed = (await client.unseal({ key: keys.keys[0] })).sealed;
  await client.mount({ mount_point: 'secret', type: 'kv', options: { version: '2' } });
  await client.write('secret/data/app/db', { data: { password: 'first' } });
  await client.write('secret/data/neighbour/db', { data: { password: 'other' } });
  await client.enableAuth({ mount_point: 'jwt', type: 'jwt' });
  await client.write('auth/jwt/config', { oidc_discovery_url: issuer, bound_issuer: issuer });
  await client.addPolicy({ name: 'app', policy: 'path "secret/data/app/*" { capabilities = ["read"] }' });
  await client.write('auth/jwt/role/app', {
    role_type: 'jwt', user_claim: 'sub', bound_audiences: ['vault'], token_policies: ['app'], token_ttl: '10m',
    bound_claims: { repository: 'carnet-sandbox/app' },
  });
  const job = vault({ endpoint, token: '' });
  const login = await job.jwtLogin({ role: 'app', jwt: process.env.SUBJECT_TOKEN });
  const answer = {
    before, sealed,
    listed: (await client.list('secret/metadata')).data.keys,
    policies: login.auth.policies.sort(),
    secret: (await job.read('secret/data/app/db')).data.data,
    neighbour: await refused(() => job.read('secret/data/neighbour/db')),
    stranger: await refused(() => vault({ endpoint }).jwtLogin({ role: 'app', jwt: process.env.STRANGER_TOKEN })),
    ttl: (await job.tokenLookupSelf()).data.creation_ttl,
  };
  await job.tokenRevokeSelf();
  answer.revoked = await refused(() => job.read('secret/data/app/db'));
  return answer;
}

async function delivered() {
  const client = vault({ endpoint });
  const secret = (await client.read('secret/data/app/db')).data.data.username;
  return { secret, neighbour: await refused(() => client.read('secret/data/neighbour/db')) };
}

console.log(JSON.stringify(await (issuer ? setUp() : delivered())));
