// A WebSocket client of a few lines, for load that must not come from the browser that is measured. Text frames only.

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";

/** A shopper's socket, greeted. `hear` is given every frame. */
export async function connect(server, token, hear) {
  const headers = { Connection: "Upgrade", Upgrade: "websocket", "Sec-WebSocket-Version": 13, "Sec-WebSocket-Key": randomBytes(16).toString("base64"), "Sec-WebSocket-Protocol": `shopclerk.v1, token.${token}`, Origin: server.url };
  const asked = request(`${server.url}/v1/ws`, { headers });
  asked.end();
  const [reply, socket, head] = await once(asked, "upgrade");
  if (reply.statusCode !== 101) throw new Error(`no socket: ${reply.statusCode}`);
  socket.setNoDelay(true);
  let left = head;
  let welcome;
  const greeted = new Promise((resolve) => (welcome = resolve));
  socket.on("data", (bytes) => {
    left = Buffer.concat([left, bytes]);
    for (;;) {
      if (left.length < 2) return;
      const short = left[1] & 127;
      const from = short < 126 ? 2 : short === 126 ? 4 : 10;
      if (left.length < from) return;
      const length = short < 126 ? short : short === 126 ? left.readUInt16BE(2) : Number(left.readBigUInt64BE(2));
      if (left.length < from + length) return;
      const body = left.subarray(from, from + length);
      const kind = left[0] & 15;
      left = left.subarray(from + length);
      if (kind === 9) write(socket, 0x8a, body);
      if (kind !== 1) continue;
      const frame = JSON.parse(body.toString());
      if (frame.t === "welcome") welcome();
      hear(frame);
    }
  });
  const send = (frame) => write(socket, 0x81, Buffer.from(JSON.stringify(frame)));
  send({ t: "hello", resume: [] });
  await greeted;
  return { send, close: () => socket.destroy() };
}

/** One masked frame, up to 64 KiB. */
function write(socket, first, body) {
  const mask = randomBytes(4);
  const head = body.length < 126 ? Buffer.from([first, 0x80 | body.length]) : Buffer.from([first, 0x80 | 126, body.length >> 8, body.length & 255]);
  socket.write(Buffer.concat([head, mask, body.map((byte, n) => byte ^ mask[n & 3])]));
}
