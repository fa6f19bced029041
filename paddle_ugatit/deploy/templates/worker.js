// Runs the network in a thread of its own, so that the page never freezes.
"use strict";

let session = null;

const bytes = (text) => {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  return Uint8Array.from({ length: raw.length }, (_, i) => raw.charCodeAt(i));
};

const load = async ({ runtime, wasm, model }) => {
  const ort = await import(URL.createObjectURL(new Blob([runtime], { type: "text/javascript" })));
  ort.env.wasm.wasmBinary = bytes(wasm).buffer;
  ort.env.wasm.numThreads = 1; // more need headers that a file cannot have
  ort.env.logLevel = "error";
  session = await ort.InferenceSession.create(bytes(model), { executionProviders: ["wasm"] });
  self.ort = ort;
  return {};
};

const run = async ({ pixels, height, width }) => {
  const start = performance.now();
  const picture = new self.ort.Tensor("uint8", pixels, [1, height, width, 3]);
  const found = await session.run({ [session.inputNames[0]]: picture });
  const { translated, heatmap } = found;
  return {
    pixels: new Uint8ClampedArray(translated.data),
    heatmap: Float32Array.from(heatmap.data),
    map: heatmap.dims.slice(-2), // height and width
    milliseconds: performance.now() - start,
  };
};

self.onmessage = async ({ data }) => {
  try {
    const answer = await (data.kind === "load" ? load(data) : run(data));
    self.postMessage({ kind: data.kind, ...answer });
  } catch (error) {
    self.postMessage({ kind: "failed", during: data.kind, reason: String((error && error.message) || error) });
  }
};
