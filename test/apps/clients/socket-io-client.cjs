/** Goes to the address that is given by polling, as clients do at first, and on by WebSocket. Prints what came of it. */
const { io } = require("socket.io-client");

const bytes = Buffer.from(Uint8Array.from({ length: 900_000 }, (_, index) => index % 251));
const socket = io(process.argv[2], { reconnection: false });
const transports = [socket.io.engine.transport.name];
const upgraded = new Promise((resolve) => socket.io.engine.once("upgrade", resolve));
socket.on("connect_error", (error) => {
  throw error;
});
socket.on("connect", async () => {
  await upgraded;
  transports.push(socket.io.engine.transport.name);
  const answer = await socket.timeout(60_000).emitWithAck("sum", bytes);
  const pushed = [];
  const all = new Promise((resolve) => {
    socket.on("pushed", (each) => {
      if (pushed.push(each) === 1_000) resolve();
    });
  });
  socket.emit("push", 1_000);
  await all;
  const isEqual = Buffer.compare(Buffer.from(answer.bytes), bytes) === 0;
  const isOrdered = pushed.every((each, index) => each === index);
  console.log(JSON.stringify({ transports, length: answer.length, sum: answer.sum, isEqual, isOrdered }));
  socket.close();
});
