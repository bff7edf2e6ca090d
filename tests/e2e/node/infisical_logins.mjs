// Infisical's SDK: every login that it has, renewal, and the secrets of a project. With a token in INFISICAL_TOKEN only the latter.
import { InfisicalSDK } from '@infisical/sdk';

const [siteUrl, projectId, identityId] = process.argv.slice(2);
const { env } = process;
const where = { projectId, environment: 'prod', secretPath: '/' };
const sdk = () => new InfisicalSDK({ siteUrl });

async function secrets(one) {
  const found = await one.secrets().listSecrets({ ...where, includeImports: true });
  const values = (list) => Object.fromEntries(list.map((secret) => [secret.secretKey, secret.secretValue]));
  return { own: values(found.secrets), imported: values(found.imports.flatMap((each) => each.secrets)) };
}

async function password(one) {
  return (await one.secrets().getSecret({ ...where, secretName: 'DB_PASSWORD' })).secretValue;
}

async function refused(action) {
  try {
    await action();
    return null;
  } catch (error) {
    return Number(error.message.match(/\[StatusCode=(\d+)\]/)?.[1]);
  }
}

async function logIn() {
  const byAws = await sdk().auth().awsIamAuth.login({ identityId });
  const renewed = await byAws.auth().awsIamAuth.renew();
  const byToken = sdk().auth().accessToken(renewed.auth().getAccessToken());
  const worker = await sdk().auth().universalAuth.login({ clientId: env.WORKER_ID, clientSecret: env.WORKER_SECRET });
  const again = await worker.auth().universalAuth.renew();
  return {
    aws: await secrets(renewed),
    token: await password(byToken),
    no_member: await refused(() => password(again)),
    secret: await refused(() => sdk().auth().universalAuth.login({ clientId: env.WORKER_ID, clientSecret: 'wrong' })),
  };
}

async function delivered() {
  const token = env.INFISICAL_TOKEN;
  const [head, body, signature] = token.split('.');
  const bent = [head, body, (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)].join('.');
  return {
    secrets: await secrets(sdk().auth().accessToken(token)),
    bent: await refused(() => secrets(sdk().auth().accessToken(bent))),
  };
}

console.log(JSON.stringify(await (env.INFISICAL_TOKEN ? delivered() : logIn())));
