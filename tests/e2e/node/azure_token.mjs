// A token with @azure/identity, and the containers that it opens.
import { ClientAssertionCredential, ManagedIdentityCredential, WorkloadIdentityCredential } from '@azure/identity';
import { readFile } from 'node:fs/promises';

const [kind, account = 'https://carnetsandbox.blob.core.windows.net'] = process.argv.slice(2);
const { AZURE_TENANT_ID: tenant, AZURE_CLIENT_ID: client, AZURE_FEDERATED_TOKEN_FILE: file } = process.env;
const credential = {
  assertion: () => new ClientAssertionCredential(tenant, client, () => readFile(file, 'utf8')),
  managed: () => new ManagedIdentityCredential(),
  workload: () => new WorkloadIdentityCredential(),
}[kind]();
try {
  const { token, expiresOnTimestamp } = await credential.getToken('https://storage.azure.com/.default');
  const claims = JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString());
  console.log(JSON.stringify({ account, oid: claims.oid, expires: expiresOnTimestamp > Date.now() }));
} catch (error) {
  console.log(JSON.stringify({ refused: String(error.message) }));
}
