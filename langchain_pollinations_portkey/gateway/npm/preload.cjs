// Loaded into the gateway's process before the gateway (`node --require`), by LocalGateway.
"use strict";

const net = require("node:net");

// The parent holds the other end of stdin. However the parent dies, SIGKILL included, the operating
// system closes that end, and the gateway goes with it.
for (const event of ["end", "close", "error"]) {
  process.stdin.on(event, () => process.exit(0));
}
process.stdin.resume();

// The gateway has no option for its host, listens on every interface and asks for no credentials.
// `--host=ADDRESS` gives it one. The gateway itself ignores the flag.
const flag = process.argv.find((argument) => argument.startsWith("--host="));
const host = flag && flag.slice("--host=".length);
const listen = net.Server.prototype.listen;
net.Server.prototype.listen = function (port, ...rest) {
  this.once("listening", () => {
    // With `--port=0` only the server knows its port. LocalGateway waits for this line.
    process.stdout.write(`[preload] listening on port ${this.address().port}\n`);
  });
  const callback = rest.filter((argument) => typeof argument === "function");
  return host ? listen.call(this, { port, host }, ...callback) : listen.call(this, port, ...rest);
};
