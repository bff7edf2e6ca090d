// Use a session token and its key from an OCI profile.
import common from 'oci-common';
import objectstorage from 'oci-objectstorage';

const [endpoint, compartmentId] = process.argv.slice(2);
const provider = new common.SessionAuthDetailProvider(process.env.OCI_CLI_CONFIG_FILE, process.env.OCI_CLI_PROFILE);
const client = new objectstorage.ObjectStorageClient({ authenticationDetailsProvider: provider });
client.endpoint = endpoint;
const namespaceName = (await client.getNamespace({})).value;
const buckets = (await client.listBuckets({ namespaceName, compartmentId })).items.map((bucket) => bucket.name);
console.log(JSON.stringify({ namespace: namespaceName, buckets }));
