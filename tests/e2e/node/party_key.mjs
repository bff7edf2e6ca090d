// Whose the key in KEY is, by a vendor's own client at this address; and what the client says of a key that is none.
import Anthropic, { AuthenticationError as AnthropicRefusal } from '@anthropic-ai/sdk';
import OpenAI, { AuthenticationError as OpenAIRefusal } from 'openai';

const [vendor, baseURL, path] = process.argv.slice(2);
const once = { baseURL, maxRetries: 0 };
const clients = {
  anthropic: (key) => new Anthropic({ ...once, authToken: key, apiKey: null }),
  openai: (key) => new OpenAI({ ...once, apiKey: key }),
};

const { principal } = await clients[vendor](process.env.KEY).get(path);
let refused = null;
try {
  await clients[vendor](`${process.env.KEY}0`).get(path);
} catch (error) {
  if (error instanceof AnthropicRefusal || error instanceof OpenAIRefusal) refused = error.status;
  else throw error;
}
console.log(JSON.stringify({ principal, refused }));
