// WebSocket over HTTP/2 and HTTP/1.1 by node's own servers: echoes frames; /via says first by what it was reached.
//
// usage: ws_origin.mjs ADDRESS CERT KEY
//   9445  HTTP/2 alone, with extended CONNECT (RFC 8441)      9447  offers it, but answers 404; HTTP/1.1 works
//   9446  HTTP/2 without it, and HTTP/1.1                     9448  offers it, but resets; HTTP/1.1 works
//   9449  wants HTTP/1.1 for everything (HTTP_1_1_REQUIRED)   9450  closes what it opened, names an extension, or sends trailers
import http2 from "node:http2";
import { readFileSync } from "node:fs";
import { createHash } from "node:crypto";

const [address, cert, key] = process.argv.slice(2);
const tls = { cert: readFileSync(cert), key: readFileSync(key) };

const frame = (op, data, fin = true) => {
  const n = data.length;
  const head = Buffer.from([(fin ? 0x80 : 0) | op, n < 126 ? n : n < 65536 ? 126 : 127]);
  const length = Buffer.alloc(n < 126 ? 0 : n < 65536 ? 2 : 8);
  if (length.length === 2) length.writeUInt16BE(n);
  if (length.length === 8) length.writeBigUInt64BE(BigInt(n));
  return Buffer.concat([head, length, data]);
};

// Echoes on any duplex stream, masked frames only.
const echo = (s, via, path) => {
  let buf = Buffer.alloc(0);
  s.on("error", () => {});
  if (path === "/via") s.write(frame(1, Buffer.from(via)));
  s.on("data", (d) => {
    buf = Buffer.concat([buf, d]);
    for (;;) {
      if (buf.length < 2) return;
      let n = buf[1] & 127, at = 2;
      if (n === 126) { if (buf.length < 4) return; n = buf.readUInt16BE(2); at = 4; }
      else if (n === 127) { if (buf.length < 10) return; n = Number(buf.readBigUInt64BE(2)); at = 10; }
      if (buf.length < at + 4 + n) return;
      if (!(buf[1] & 128)) return s.destroy();
      const mask = buf.subarray(at, at + 4), data = Buffer.from(buf.subarray(at + 4, at + 4 + n));
      for (let i = 0; i < n; i++) data[i] ^= mask[i & 3];
      const op = buf[0] & 15;
      s.write(frame(op === 9 ? 10 : op, data, !!(buf[0] & 128)));
      buf = buf.subarray(at + 4 + n);
      if (op === 8) return s.end();
    }
  });
  s.on("end", () => s.end());
};

const serve = (port, allowHTTP1, enableConnectProtocol, onConnect) => {
  const server = http2.createSecureServer({ ...tls, allowHTTP1, settings: enableConnectProtocol ? { enableConnectProtocol } : {} });
  server.on("stream", (s, h) => {
    s.on("error", () => {});
    if (h[":method"] === "CONNECT") return onConnect(s, h);
    if (port === 9449) return s.close(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED);
    s.respond({ ":status": 200 });
    s.end("by HTTP/2\n");
  });
  server.on("sessionError", () => {});
  server.listen(port, address);
  if (!allowHTTP1) return;
  server.on("connect", () => {}); // of the compatibility layer, which "request" brings
  server.on("request", (q, r) => { if (q.httpVersionMajor === 1) r.end("by HTTP/1.1\n"); });
  server.on("upgrade", (q, s) => {
    const accept = createHash("sha1").update(q.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
    s.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`);
    echo(s, "HTTP/1.1", q.url);
  });
};

const open = (s, h) => {
  if (h[":protocol"] !== "websocket" || h["sec-websocket-version"] !== "13" || h["sec-websocket-key"] || h["sec-websocket-extensions"])
    return s.respond({ ":status": 400 }, { endStream: true });
  if (h[":path"] === "/no") { s.respond({ ":status": 403 }); return s.end("no"); }
  s.respond({ ":status": 200 });
  echo(s, "HTTP/2", h[":path"]);
};
serve(9445, false, true, open);
serve(9446, true, false, (s) => s.close(http2.constants.NGHTTP2_PROTOCOL_ERROR));
serve(9447, true, true, (s) => s.respond({ ":status": 404 }, { endStream: true }));
serve(9448, true, true, (s) => s.close(http2.constants.NGHTTP2_PROTOCOL_ERROR));
serve(9449, true, true, (s) => s.close(http2.constants.NGHTTP2_HTTP_1_1_REQUIRED));
serve(9450, false, true, (s, h) => {
  if (h[":path"] === "/end") return s.respond({ ":status": 200 }, { endStream: true });
  if (h[":path"] === "/extension") return s.respond({ ":status": 200, "sec-websocket-extensions": "permessage-deflate" });
  s.respond({ ":status": 200 }, { waitForTrailers: true });
  s.on("wantTrailers", () => s.sendTrailers({ "x-late": "1" }));
  s.end(frame(1, Buffer.from("fine")));
});
console.log("listening");
