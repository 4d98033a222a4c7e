// A chat room: Express and Socket.IO.
const http = require("node:http");
const express = require("express");
const { Server } = require("socket.io");

const version = process.env.TEAL_VERSION ?? "0";
const app = express();
app.get("/healthz", (request, response) => response.send("ok"));
app.get("/", (request, response) => response.send(`version ${version}`));

const server = http.createServer(app);
const io = new Server(server);
io.on("connection", (socket) => {
  socket.emit("welcome", version);
  socket.on("say", (text, done) => {
    io.emit("said", { text, version });
    done?.(version);
  });
});

server.listen(Number(process.env.PORT), process.env.HOST);

// SIGTERM comes when this version is to end: clients are let go, and connect again, to the
// version that serves then.
process.on("SIGTERM", () => io.close(() => process.exit(0)));
