// The result on the page. All text is inserted as text.

const SVG = "http://www.w3.org/2000/svg";
const KNOWN = ["angry", "happy", "neutral", "sad", "fearful", "disgusted", "surprised", "calm", "bored"];
const WIDTH = 1000;
const $ = (id) => document.getElementById(id);

export function clock(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function tenths(seconds) {
  const all = Math.round(seconds * 10);
  return `${Math.floor(all / 600)}:${String(Math.floor(all / 10) % 60).padStart(2, "0")}.${all % 10}`;
}

function colour(label) {
  return KNOWN.includes(label) ? label : label === null ? "none" : "other";
}

function percent(p) {
  return `${Math.round(100 * p)} %`;
}

export class Timeline {
  constructor() {
    this.segments = [];
    this.durationS = 0;
    for (const id of ["band", "now", "segments", "warnings"]) $(id).replaceChildren();
    for (const id of ["overall", "text", "scale-end"]) $(id).textContent = "";
    $("result").hidden = false;
  }

  segment(one) {
    this.segments.push(one);
    this.until(one.end_s);
    const item = document.createElement("li");
    const key = document.createElement("i");
    key.className = colour(one.label);
    const time = document.createElement("time");
    time.textContent = `${tenths(one.start_s)} – ${tenths(one.end_s)}`;
    const name = document.createElement("b");
    name.textContent = one.label ?? one.reason ?? "no answer";
    if (one.label === null) name.className = "silent";
    const p = document.createElement("span");
    p.textContent = one.label === null ? "" : percent(one.confidence);
    item.append(key, time, name, p);
    $("segments").append(item);
  }

  until(seconds) {
    this.durationS = Math.max(this.durationS, seconds);
    $("scale-end").textContent = clock(this.durationS);
    $("band").replaceChildren(
      ...this.segments.map((one) => {
        const rect = document.createElementNS(SVG, "rect");
        rect.setAttribute("x", String((WIDTH * one.start_s) / this.durationS));
        rect.setAttribute("width", String((WIDTH * (one.end_s - one.start_s)) / this.durationS));
        rect.setAttribute("height", "48");
        rect.setAttribute("class", colour(one.label));
        return rect;
      }),
    );
  }

  partial(window) {
    const rows = Object.entries(window.scores).flatMap(([label, p]) => {
      const name = document.createElement("span");
      name.textContent = label;
      const bar = document.createElement("meter");
      bar.value = p;
      bar.setAttribute("aria-label", label);
      const value = document.createElement("span");
      value.textContent = percent(p);
      return [name, bar, value];
    });
    $("now").replaceChildren(...rows);
  }

  words(text) {
    $("text").textContent += ($("text").textContent ? " " : "") + text;
  }

  overall(answer) {
    this.until(answer.duration_s);
    const p = answer.scores[answer.label];
    $("overall").textContent =
      answer.label === null ? answer.reason ?? "no answer" : `${answer.label}, ${percent(p)}`;
    $("now").replaceChildren();
    $("warnings").replaceChildren(
      ...answer.warnings.map((one) => {
        const item = document.createElement("li");
        item.textContent = one.message;
        return item;
      }),
    );
  }
}
