// Be the pod that this runs in, on Kubernetes Engine: make a bucket, and list what there is.
import common from 'oci-common';
import objectstorage from 'oci-objectstorage';

const [endpoint, compartmentId, name] = process.argv.slice(2);
const { OCI_KUBERNETES_SERVICE_ACCOUNT_CERT_PATH: authorities, CARNET_SANDBOX_POD_TOKEN_FILE: token } = process.env;

async function use(authenticationDetailsProvider) {
  const client = new objectstorage.ObjectStorageClient({ authenticationDetailsProvider });
  client.endpoint = endpoint;
  const namespaceName = (await client.getNamespace({})).value;
  const answer = {};
  try {
    answer.made = (await client.createBucket({ namespaceName, createBucketDetails: { name, compartmentId } })).bucket.name;
  } catch (error) {
    answer.refused = [error.statusCode, error.serviceCode];
  }
  const { items } = await client.listBuckets({ namespaceName, compartmentId });
  answer.buckets = items.map((bucket) => bucket.name).sort();
  return answer;
}

const provider = common.OkeWorkloadIdentityAuthenticationDetailsProvider.builder(authorities, token);
let session;
try {
  session = await provider.refresh();
} catch (error) {
  console.log(JSON.stringify({ proxymux: Number(String(error).match(/Status: (\d+)/)?.[1]) }));
}
if (session) {
  console.log(JSON.stringify(await use(provider)));
}
