// A stream to the server (docs/server.md) that returns after a broken connection.

const FATAL = new Set(["start", "message", "session", "model", "model_unknown", "audio", "too_large", "events_gone"]);
const MAX_BYTES = 60e6;
const PATIENCE_MS = 30000;

export class Stream {
  // start: first message; token: or ""; onEvent(event); onState(words); onEnd(error or null)
  constructor(start, token, { onEvent, onState, onEnd }) {
    this.start = { type: "start", session: crypto.randomUUID(), ...start };
    this.protocols = token ? ["serkit.v1", `bearer.${token}`] : ["serkit.v1"];
    Object.assign(this, { onEvent, onState, onEnd });
    this.chunks = [];
    this.nBytes = 0;
    this.next = 0;
    this.lastEvent = this.lastText = 0;
    this.ended = this.over = false;
    this.nFailed = 0;
    this.connect();
  }

  push(buffer) {
    this.chunks.push(buffer);
    this.nBytes += buffer.byteLength;
    this.send();
    return this.nBytes < MAX_BYTES;
  }

  finish() {
    this.ended = true;
    this.send();
  }

  close() {
    this.over = true;
    clearTimeout(this.timer);
    this.socket.close();
  }

  connect() {
    const url = new URL("v1/stream", location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url, this.protocols);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    this.ready = false;
    socket.onopen = () => 
      socket.send(JSON.stringify({ ...this.start, last_event: this.lastEvent, last_text: this.lastText }));
    socket.onmessage = (message) => this.take(JSON.parse(message.data));
    socket.onclose = () => this.lost();
  }

  send() {
    if (!this.ready) return;
    while (this.next < this.chunks.length) this.socket.send(this.chunks[this.next++]);
    if (this.ended && !this.told) {
      this.told = true;
      this.socket.send(JSON.stringify({ type: "end" }));
    }
  }

  take(event) {
    if (event.event === "ready") {
      this.ready = true;
      this.told = false;
      this.nFailed = 0;
      this.awaySince = undefined;
      this.next = event.received;
      this.onState("");
      this.send();
    } else if (event.seq === undefined) {
      if (event.event === "error") this.refusal = event;
      if (event.event === "text" && event.text_seq === this.lastText + 1) {
        this.lastText = event.text_seq;
        this.onEvent(event);
      }
    } else if (event.seq === this.lastEvent + 1) {
      this.lastEvent = event.seq;
      this.onEvent(event);
      if (event.event === "end") this.stop(null);
    }
  }

  lost() {
    if (this.over) return;
    this.ready = false;
    const refusal = this.refusal;
    this.refusal = undefined;
    this.awaySince ??= performance.now();
    if (refusal && FATAL.has(refusal.code)) return this.stop(refusal.message);
    if (performance.now() - this.awaySince > PATIENCE_MS) {
      return this.stop(refusal?.message ?? "The server does not answer. Is it running, and may this page use it?");
    }
    this.onState("The connection broke; trying again. The recording is kept.");
    const wait = Math.min(5, 0.25 * 2 ** this.nFailed++) * Math.random() + (refusal?.retry_after_s ?? 0);
    this.timer = setTimeout(() => this.connect(), 1000 * wait);
  }

  stop(error) {
    this.over = true;
    this.onEnd(error);
    this.socket.close();
  }
}
