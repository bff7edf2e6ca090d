// List buckets with application default credentials.
import { GoogleAuth } from 'google-auth-library';

const [project, storage = 'https://storage.googleapis.com'] = process.argv.slice(2);
const auth = new GoogleAuth({ scopes: 'https://www.googleapis.com/auth/cloud-platform', projectId: project });
const client = await auth.getClient();
const answer = await client.request({ url: `${storage}/storage/v1/b?project=${project}` });
console.log(JSON.stringify({ buckets: answer.data.items.map((bucket) => bucket.name).sort() }));
