// Somebody who knows NATS's micro service protocol and nothing of natsgen: pings, lists, calls and reads the statistics.
// node client.js URL SERVICE SUBJECT PAYLOAD prints what it was told, as one JSON document.
import { connect } from "@nats-io/transport-node";

const [url, service, subject, payload] = process.argv.slice(2);
const QUIET = 300; // milliseconds without a further answer, after which all have answered

const connection = await connect({ servers: url });

async function everybody(asked) {
  const answers = await connection.requestMany(asked, "", { strategy: "stall", stall: QUIET, maxWait: 5000 });
  const found = [];
  for await (const answer of answers) {
    found.push(answer.json());
  }
  return found;
}

async function call(text) {
  const reply = await connection.request(subject, text, { timeout: 5000 });
  const headers = Object.fromEntries((reply.headers?.keys() ?? []).map((name) => [name, reply.headers.get(name)]));
  return { headers, body: reply.json() };
}

const told = {
  pings: await everybody("$SRV.PING"),
  listed: await everybody(`$SRV.INFO.${service}`),
  answered: await call(payload),
  refused: await call("{}"),
  statistics: await everybody(`$SRV.STATS.${service}`),
};
await connection.drain();
console.log(JSON.stringify(told));
