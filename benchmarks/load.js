// Asks for one URL over so many connections for so long; prints requests, errors and latencies as JSON.
// usage: node load.js URL CONNECTIONS SECONDS keep|close [CA_FILE]
"use strict";
const fs = require("fs");
const [url, connections, seconds, mode, ca] = process.argv.slice(2);
const client = require(url.startsWith("https:") ? "https" : "http");
const agent = new client.Agent({
  keepAlive: mode === "keep",
  maxSockets: Number(connections),
  maxCachedSessions: mode === "keep" ? 100 : 0,
});
const here = (_name, options, done) => {
  if (options.all) done(null, [{ address: "127.0.0.1", family: 4 }]);
  else done(null, "127.0.0.1", 4);
};
const options = { agent, ca: ca ? fs.readFileSync(ca) : undefined, lookup: here };
const latencies = [];
let errors = 0;
const end = performance.now() + seconds * 1000;

function ask() {
  return new Promise((done) => {
    const begin = performance.now();
    const request = client.get(url, options, (answer) => {
      answer.resume();
      answer.on("end", () => {
        if (answer.statusCode === 200) latencies.push(performance.now() - begin);
        else errors += 1;
        done();
      });
    });
    request.on("error", () => {
      errors += 1;
      done();
    });
  });
}

async function one() {
  while (performance.now() < end) await ask();
}

Promise.all(Array.from({ length: Number(connections) }, one)).then(() => {
  latencies.sort((a, b) => a - b);
  const at = (part) => latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * part))];
  console.log(JSON.stringify({ requests: latencies.length, errors, p50: at(0.5), p99: at(0.99) }));
  process.exit(0);
});
