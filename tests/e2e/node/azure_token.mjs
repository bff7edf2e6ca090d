// Tokens of @azure/identity, and the containers that each of them opens. Arguments: the account's URL, kinds of credential.
import { ClientAssertionCredential, ManagedIdentityCredential, WorkloadIdentityCredential } from '@azure/identity';
import { readFile } from 'node:fs/promises';

const [account, ...kinds] = process.argv.slice(2);
const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_FEDERATED_TOKEN_FILE: file } = process.env;
const credentials = {
  assertion: () => new ClientAssertionCredential(tenant, client, () => readFile(file, 'utf8')),
  managed: () => new ManagedIdentityCredential(),
  workload: () => new WorkloadIdentityCredential(),
};

async function containers(kind) {
  try {
    const { token, expiresOnTimestamp } = await credentials[kind]().getToken('https://storage.azure.com/.default');
    if (expiresOnTimestamp <= Date.now()) return { refused: 'the token has expired' };
    const headers = { authorization: `Bearer ${token}`, 'x-ms-version': '2026-10-06' };
    const answer = await fetch(`${account}/?comp=list`, { headers });
    return [...(await answer.text()).matchAll(/<Name>(.*?)<\/Name>/g)].map((found) => found[1]);
  } catch (error) {
    return { refused: String(error.message) };
  }
}

const result = {};
for (const kind of kinds) result[kind] = await containers(kind);
console.log(JSON.stringify(result));
