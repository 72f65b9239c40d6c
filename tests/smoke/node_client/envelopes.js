// Somebody in another language who knows the formats on the wire and nothing of natsgen.
//   node envelopes.js hear URL SUBJECT COUNT      prints the next messages of a subject, as one JSON document
//   node envelopes.js tell URL SUBJECT MESSAGES   publishes [{"payload", "headers"}, ...], from JSON, and ends
import { connect, headers } from "@nats-io/transport-node";

const [what, url, subject, argument] = process.argv.slice(2);
const connection = await connect({ servers: url });

async function hear(count) {
  const heard = [];
  const subscription = connection.subscribe(subject, { max: count });
  await connection.flush();
  console.error("listening");
  for await (const message of subscription) {
    const names = message.headers?.keys() ?? [];
    const found = Object.fromEntries(names.map((name) => [name, message.headers.get(name)]));
    heard.push({ subject: message.subject, headers: found, payload: message.string() });
  }
  return heard;
}

async function tell(messages) {
  for (const { payload, headers: given } of messages) {
    const sent = headers();
    for (const [name, value] of Object.entries(given ?? {})) {
      sent.set(name, value);
    }
    connection.publish(subject, payload, given ? { headers: sent } : {});
  }
  await connection.flush();
  return messages.length;
}

const told = what === "hear" ? await hear(Number(argument)) : await tell(JSON.parse(argument));
await connection.drain();
console.log(JSON.stringify(told));
