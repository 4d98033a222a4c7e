// Talks to examples/chat by one transport, and says what it sees, a line each: "welcome V",
// "said V TEXT", "gone REASON". It says something whenever it is told to on its standard
// input.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const [base, transport, modules] = process.argv.slice(2);
const { io } = createRequire(modules)("socket.io-client");
const socket = io(base, {
  transports: [transport],
  reconnectionDelay: 50,
  reconnectionDelayMax: 200,
});
socket.on("welcome", (version) => console.log("welcome", version));
socket.on("said", ({ text, version }) => console.log("said", version, text));
socket.on("connect_error", (error) => console.log("refused", error.message));
socket.on("disconnect", (reason) => console.log("gone", reason));
createInterface({ input: process.stdin }).on("line", (text) => socket.emit("say", text));
process.stdin.on("end", () => process.exit(0));
