// Samples of the microphone -> 16-bit integers, 100 ms at a time, and their peak.

class Recorder extends AudioWorkletProcessor {
  constructor() {
    super();
    this.chunk = new Int16Array(Math.round(sampleRate / 10));
    this.filled = 0;
    this.peak = 0;
    this.port.onmessage = () => {
      if (this.filled) this.send(this.chunk.slice(0, this.filled));
      this.port.postMessage({ done: true });
      this.ended = true;
    };
  }

  send(samples) {
    this.port.postMessage({ samples: samples.buffer, peak: this.peak }, [samples.buffer]);
    this.filled = 0;
    this.peak = 0;
  }

  process(inputs) {
    if (this.ended) return false;
    const channels = inputs[0];
    if (!channels.length) return true;
    for (let i = 0; i < channels[0].length; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      const sample = Math.max(-1, Math.min(1, sum / channels.length));
      this.peak = Math.max(this.peak, Math.abs(sample));
      this.chunk[this.filled++] = Math.round(sample * 32767);
      if (this.filled === this.chunk.length) {
        const full = this.chunk;
        this.chunk = new Int16Array(full.length);
        this.send(full);
      }
    }
    return true;
  }
}

registerProcessor("recorder", Recorder);
