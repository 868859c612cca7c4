/** A Socket.IO service on the port that is given. It answers `sum` with the sum of a binary message's bytes, and its length. */
const http = require("node:http");
const { Server } = require("socket.io");

const service = http.createServer();
const io = new Server(service, { maxHttpBufferSize: 4 * 1024 * 1024 });
io.on("connection", (socket) => {
  socket.on("sum", (bytes, answer) => {
    answer({ length: bytes.length, sum: bytes.reduce((sum, byte) => sum + byte, 0), bytes });
  });
  socket.on("push", (count) => {
    for (let each = 0; each < count; each++) socket.emit("pushed", each);
  });
});
service.listen(Number(process.argv[2]), "127.0.0.1");
