// Who am I, and what may I: with whatever credentials the SDK's own chain finds.
import { Readable } from 'node:stream';
import { S3Client, GetObjectCommand, ListBucketsCommand, ListObjectsV2Command, PutObjectCommand } from '@aws-sdk/client-s3';
import { STSClient, GetCallerIdentityCommand } from '@aws-sdk/client-sts';

const [put] = process.argv.slice(2);
const result = {};
try {
  const identity = await new STSClient({ maxAttempts: 1 }).send(new GetCallerIdentityCommand({}));
  result.arn = identity.Arn.replace(/\/[^/]*$/, '');
  const storage = new S3Client({ forcePathStyle: true, maxAttempts: 1 });
  const { Buckets } = await storage.send(new ListBucketsCommand({}));
  result.buckets = Buckets.map((bucket) => bucket.Name);
  const listed = await storage.send(new ListObjectsV2Command({ Bucket: 'carnet-reports', Prefix: '2026/' }));
  result.keys = listed.Contents.map((item) => item.Key);
  const object = await storage.send(new GetObjectCommand({ Bucket: 'carnet-reports', Key: result.keys[0] }));
  result.report = await object.Body.transformToString();
  if (put) {
    const [Bucket, Key] = put.split(/\/(.*)/);
    const text = 'hello from node';
    // A stream goes in chunks with a checksum behind them.
    const Body = Readable.from([Buffer.from(text)]);
    await storage.send(new PutObjectCommand({ Bucket, Key, Body, ContentLength: text.length }));
    const back = await storage.send(new GetObjectCommand({ Bucket, Key }));
    result.object = await back.Body.transformToString();
  }
} catch (error) {
  result.refused = error.Code ?? error.name;
  result.status = error.$metadata?.httpStatusCode;
}
console.log(JSON.stringify(result));
