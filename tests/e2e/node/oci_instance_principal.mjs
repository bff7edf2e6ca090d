// Be the instance this runs on, and list buckets.
import common from 'oci-common';
import objectstorage from 'oci-objectstorage';

const [metadata, federation, endpoint, compartmentId] = process.argv.slice(2);
const builder = new common.InstancePrincipalsAuthenticationDetailsProviderBuilder();
builder.metadataBaseUrl = metadata;
builder.federationEndpoint = federation;
const client = new objectstorage.ObjectStorageClient({ authenticationDetailsProvider: await builder.build() });
client.endpoint = endpoint;
const namespaceName = (await client.getNamespace({})).value;
const buckets = (await client.listBuckets({ namespaceName, compartmentId })).items.map((bucket) => bucket.name);
console.log(JSON.stringify({ namespace: namespaceName, buckets }));
