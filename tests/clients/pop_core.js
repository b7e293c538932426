// Sends the calls that come line by line, and prints what came of each: an answer or a code.
const readline = require("node:readline");
const { RPCClient } = require("@alicloud/pop-core");

const [endpoint, method] = process.argv.slice(2);

async function outcome({ key, secret, action, fields }) {
  const client = new RPCClient({
    accessKeyId: key,
    accessKeySecret: secret,
    endpoint: `http://${endpoint}`,
    apiVersion: "2014-05-26",
  });
  try {
    return { answer: await client.request(action, fields, { method }) };
  } catch (error) {
    return { code: error.code, text: String(error) };
  }
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await outcome(JSON.parse(line))));
  }
}

main();
