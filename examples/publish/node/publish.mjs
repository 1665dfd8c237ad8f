// npm install redis
// node publish.mjs CHANNEL DATA
import { createClient } from "redis";

const client = await createClient({ url: process.env.REDIS_URL ?? "redis://127.0.0.1:6379" }).connect();
const [channel, data] = process.argv.slice(2);
const options = ["EVENT", "created", "MAXLEN", "1000"];
console.log(await client.fCall("sse_publish", { keys: [`sse:${channel}`], arguments: ["DATA", data, ...options] }));
await client.close();
