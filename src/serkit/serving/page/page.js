import { Stream } from "./stream.js";
import { Timeline, clock } from "./timeline.js";

const $ = (id) => document.getElementById(id);
const HOP_S = 1;

let token = "";
let recording = null;

function say(text) {
  $("status").textContent = text;
}

function fail(text) {
  $("error").textContent = text;
}

function headers() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, { ...options, headers: headers() });
  } catch {
    throw new Error("The server does not answer. Is it still running?");
  }
  const values = await response.json().catch(() => ({}));
  if (response.status === 401) {
    $("access").hidden = false;
    $("token").focus();
    throw new Error(token ? "This server does not know the token." : "This server asks for a token.");
  }
  if (response.status === 429 || response.status === 503) {
    throw new Error("The server is busy. Try again in a moment.");
  }
  if (!response.ok) throw new Error(values.error?.message ?? `The server answered ${response.status}.`);
  return values;
}

async function greet() {
  const { models, modalities, asr } = await ask("v1/models");
  $("access").hidden = true;
  fail("");
  const names = models.map((model) => model.name).join(", ");
  $("about").textContent = `Models: ${names}. Answers are made from: ${modalities.join(", ")}.`
    + (asr ? ` Text: ${asr}.` : "");
}

async function analyse(file) {
  if (recording) return;
  fail("");
  $("result").hidden = true;
  say(`Sending ${file.name} …`);
  busy(true);
  try {
    const answer = await ask("v1/timeline", { method: "POST", body: file });
    const timeline = new Timeline();
    answer.segments.forEach((one) => timeline.segment(one));
    timeline.overall({ ...answer.overall, duration_s: answer.duration_s });
    if (answer.text) timeline.words(answer.text);
    else if (answer.text_reason) timeline.words("…");
    say(`${file.name}: ${answer.segments.length} segments.`);
  } catch (error) {
    say("");
    fail(error.message);
  } finally {
    busy(false);
  }
}

function busy(is) {
  $("file").disabled = is;
  $("record").disabled = is && !recording;
}

async function open() {
  if (!navigator.mediaDevices) {
    throw new Error("This browser records only on https pages and on localhost. Choose a file instead.");
  }
  const media = await navigator.mediaDevices.getUserMedia({
    audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  });
  const begin = async (options) => {
    const context = new AudioContext(options);
    try {
      const source = context.createMediaStreamSource(media);
      await context.audioWorklet.addModule("recorder.js");
      const node = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0 });
      source.connect(node);
      await context.resume();
      return { media, context, source, node };
    } catch (error) {
      await context.close();
      throw error;
    }
  };
  try {
    return await begin({ sampleRate: 16000 });
  } catch {
    return begin({}); // some browsers record at the rate of the device only; the server resamples
  }
}

const WORDS = {
  NotAllowedError: "The microphone is not allowed. Allow it in the browser's settings of this page.",
  NotFoundError: "There is no microphone. Choose a file instead.",
  NotReadableError: "The microphone is in use by another program.",
  SyntaxError: "This token has characters that a browser cannot send with a stream.",
};

async function record() {
  fail("");
  say("Opening the microphone …");
  recording = { ending: false };
  busy(true);
  try {
    await greet();
    Object.assign(recording, await open());
    const timeline = new Timeline();
    const rate = recording.context.sampleRate;
    let nSamples = 0;
    recording.stream = new Stream(
      { input: "pcm", rate, timeline: { hop: HOP_S } },
      token,
      {
        onEvent(event) {
          if (event.event === "segment") timeline.segment(event);
          else if (event.event === "partial") timeline.partial(event);
          else if (event.event === "text") timeline.words(event.text ?? "…");
          else if (event.event === "error") fail(event.message);
          else if (event.event === "end") timeline.overall(event);
        },
        onState: (words) => recording && say(words || (recording.ending ? "Finishing …" : "Recording. Speak.")),
        onEnd: ended,
      },
    );
    recording.node.port.onmessage = ({ data }) => {
      if (data.done) return recording?.stream.finish();
      nSamples += data.samples.byteLength / 2;
      $("level").value = Math.sqrt(data.peak);
      $("level").textContent = data.peak < 0.01 ? "silent" : `${Math.round(100 * data.peak)} %`;
      $("clock").textContent = clock(nSamples / rate);
      if (!recording.stream.push(data.samples) && !recording.ending) {
        fail("The recording has become too long for this page; it ends here.");
        halt();
      }
    };
    recording.media.getAudioTracks()[0].onended = halt;
    $("record").setAttribute("aria-pressed", "true");
    $("record-text").textContent = "Stop";
    say("Recording. Speak.");
  } catch (error) {
    release();
    say("");
    fail(WORDS[error.name] ?? error.message);
  }
}

function halt() {
  if (!recording?.node || recording.ending) return;
  recording.ending = true;
  recording.source.disconnect();
  recording.node.port.postMessage("end");
  recording.media.getTracks().forEach((track) => track.stop());
  $("record").disabled = true;
  $("level").value = 0;
  say("Finishing …");
}

function ended(error) {
  if (error) fail(error);
  say(error ? "" : "Done.");
  release();
}

function release() {
  recording?.media?.getTracks().forEach((track) => track.stop());
  recording?.context?.close();
  recording = null;
  $("record").setAttribute("aria-pressed", "false");
  $("record-text").textContent = "Record";
  $("level").value = 0;
  busy(false);
}

$("record").addEventListener("click", () => (recording ? halt() : record()));
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  $("file").value = "";
  if (file) analyse(file);
});
$("access").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  greet().then(() => say("The token is accepted."), (error) => fail(error.message));
});
addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) document.body.classList.remove("over");
});
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) analyse(file);
});
addEventListener("pagehide", () => recording?.stream?.close());

greet().catch((error) => fail(error.message));
