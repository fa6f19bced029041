"use strict";

const $ = (name) => document.getElementById(name);
const facts = JSON.parse($("facts").textContent);
const LARGEST_PICTURE = 64e6; // pixels that most browsers can hold
const LARGE_PICTURE = 12e6;
const SHOWN = 640; // pixels of the longer side of what is cropped

// --- the network ----------------------------------------------------------------------------------------------

const worker = new Worker(URL.createObjectURL(new Blob([$("worker").textContent], { type: "text/javascript" })));
const waiting = []; // what is called with the next answer

const ask = (message, transfer = []) =>
  new Promise((resolve, reject) => {
    waiting.push([resolve, reject]);
    worker.postMessage(message, transfer);
  });

worker.onmessage = ({ data }) => {
  const [resolve, reject] = waiting.shift();
  if (data.kind === "failed") reject(new Error(data.reason));
  else resolve(data);
};
worker.onerror = (event) => say(`The translation does not work in this browser: ${event.message || "no reason given"}`, true);

let said = 0; // how many sentences so far

const say = (text, wrong = false) => {
  said += 1;
  $("status").textContent = text;
  $("status").classList.toggle("wrong", wrong);
};

// --- pictures -------------------------------------------------------------------------------------------------

// The weights of Pillow's bilinear filter, which widens where a picture becomes smaller: for each output pixel the
// first input pixel and integers whose sum is about 2^22.
const weights = (from, to) => {
  const scale = from / to;
  const reach = Math.max(scale, 1);
  return Array.from({ length: to }, (_, place) => {
    const centre = (place + 0.5) * scale;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5));
    const last = Math.min(from, Math.trunc(centre + reach + 0.5));
    const found = [];
    for (let i = first; i < last; i++) found.push(Math.max(0, 1 - Math.abs((i - centre + 0.5) / reach)));
    const sum = found.reduce((a, b) => a + b, 0);
    return { first, shares: found.map((share) => Math.round((share / sum) * 4194304)) };
  });
};

// Resize as Pillow does: RGB bytes of (height, width) to those of (tall, wide).
const resized = (pixels, height, width, tall, wide) => {
  const pass = (source, rows, columns, wanted, stepIn, stepRow, stepOut, outRow) => {
    if (columns === wanted) return source;
    const out = new Uint8Array(rows * wanted * 3);
    weights(columns, wanted).forEach(({ first, shares }, place) => {
      for (let row = 0; row < rows; row++) {
        for (let c = 0; c < 3; c++) {
          let sum = 2097152;
          for (let i = 0; i < shares.length; i++) sum += shares[i] * source[row * stepRow + (first + i) * stepIn + c];
          out[row * outRow + place * stepOut + c] = Math.min(255, Math.max(0, Math.floor(sum / 4194304)));
        }
      }
    });
    return out;
  };
  const across = pass(pixels, height, width, wide, 3, width * 3, 3, wide * 3);
  return pass(across, wide, height, tall, wide * 3, 3, wide * 3, 3);
};

// The RGB bytes of a part of a picture or video, in its own resolution.
const cut = (source, x, y, width, height) => {
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(source, x, y, width, height, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const out = new Uint8Array(width * height * 3);
  for (let i = 0, j = 0; i < data.length; i += 4) {
    out[j++] = data[i];
    out[j++] = data[i + 1];
    out[j++] = data[i + 2];
  }
  return out;
};

const show = (canvas, pixels, height, width) => {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let i = 0, j = 0; i < image.data.length; i += 4) {
    image.data[i] = pixels[j++];
    image.data[i + 1] = pixels[j++];
    image.data[i + 2] = pixels[j++];
    image.data[i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
};

// A map from blue (least) to red (greatest), half and half with the picture that it belongs to.
const overlaid = (pixels, height, width, map, [tall, wide]) => {
  const least = map.reduce((a, b) => Math.min(a, b), Infinity);
  const range = map.reduce((a, b) => Math.max(a, b), -Infinity) - least || 1;
  const ramp = (value) => 255 * Math.min(1, Math.max(0, 1.5 - Math.abs(value)));
  const out = new Uint8Array(pixels.length);
  const near = (place, from, to) => {
    const at = Math.min(to - 1, Math.max(0, ((place + 0.5) * to) / from - 0.5));
    const low = Math.floor(at);
    return [low, Math.min(to - 1, low + 1), at - low];
  };
  for (let y = 0; y < height; y++) {
    const [top, bottom, down] = near(y, height, tall);
    for (let x = 0; x < width; x++) {
      const [left, right, over] = near(x, width, wide);
      const above = map[top * wide + left] * (1 - over) + map[top * wide + right] * over;
      const below = map[bottom * wide + left] * (1 - over) + map[bottom * wide + right] * over;
      const value = 4 * ((above * (1 - down) + below * down - least) / range);
      const i = (y * width + x) * 3;
      out[i] = (pixels[i] + ramp(value - 3)) / 2;
      out[i + 1] = (pixels[i + 1] + ramp(value - 2)) / 2;
      out[i + 2] = (pixels[i + 2] + ramp(value - 1)) / 2;
    }
  }
  return out;
};

// --- what is translated: a picture and the square of it, or the whole -------------------------------------------

const picture = { source: null, name: "", width: 0, height: 0 };
const square = { x: 0, y: 0, side: 0 };

const whole = () => $("whole").checked;

// What of the picture is taken and to what size: {x, y, width, height, wide, tall}.
const wanted = () => {
  const limit = Number($("side").value);
  if (!whole()) return { x: square.x, y: square.y, width: square.side, height: square.side, wide: limit, tall: limit };
  const scale = Math.min(1, limit / Math.max(picture.width, picture.height));
  const [wide, tall] = [picture.width, picture.height].map((n) => Math.max(facts.least, Math.round(n * scale)));
  return { x: 0, y: 0, width: picture.width, height: picture.height, wide, tall };
};

const draw = () => {
  const canvas = $("source");
  const scale = Math.min(1, SHOWN / Math.max(picture.width, picture.height));
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.drawImage(picture.source, 0, 0, canvas.width, canvas.height);
  if (whole()) return;
  const [x, y, side] = [square.x, square.y, square.side].map((n) => n * scale);
  context.fillStyle = "rgba(0, 0, 0, 0.5)";
  context.beginPath();
  context.rect(0, 0, canvas.width, canvas.height);
  context.rect(x, y, side, side);
  context.fill("evenodd");
  context.strokeStyle = "#fff";
  context.lineWidth = 2;
  context.strokeRect(x, y, side, side);
};

// Keep the square within the picture, and the sliders in step with it.
const place = (x, y, side) => {
  const largest = Math.min(picture.width, picture.height);
  square.side = Math.round(Math.min(largest, Math.max(Math.min(largest, 16), side)));
  square.x = Math.round(Math.min(picture.width - square.side, Math.max(0, x)));
  square.y = Math.round(Math.min(picture.height - square.side, Math.max(0, y)));
  const values = { left: [square.x, picture.width - square.side], top: [square.y, picture.height - square.side] };
  values.size = [square.side, largest];
  for (const [name, [value, most]] of Object.entries(values)) {
    $(name).max = most;
    $(name).value = value;
  }
  draw();
};

const take = (source, name, width, height) => {
  if (picture.source && picture.source.close) picture.source.close();
  Object.assign(picture, { source, name, width, height });
  $("work").hidden = false;
  const side = Math.min(width, height);
  place((width - side) / 2, (height - side) / 2, side);
};

let busy = false;
let again = false;

// Translate what is chosen; asked for again meanwhile, once more after it.
const translate = async () => {
  if (!picture.source || !ready) return;
  if (busy) {
    again = true;
    return;
  }
  busy = true;
  document.body.dataset.state = "busy";
  const { x, y, width, height, wide, tall } = wanted();
  if (!camera) say("Translating …");
  const before = said; // what is said from here on (a refused file, the camera is off) is newer than this picture
  try {
    const pixels = resized(cut(picture.source, x, y, width, height), height, width, tall, wide);
    const found = await ask({ kind: "run", pixels, height: tall, width: wide });
    show($("input"), pixels, tall, wide);
    show($("result"), found.pixels, tall, wide);
    show($("heat"), overlaid(pixels, tall, wide, found.heatmap, found.map), tall, wide);
    $("results").hidden = false;
    const seconds = (found.milliseconds / 1000).toFixed(found.milliseconds < 1000 ? 2 : 1);
    const large = picture.width * picture.height > LARGE_PICTURE;
    const megapixels = large ? ` The picture has ${Math.round((picture.width * picture.height) / 1e6)} megapixels; only the part that you choose is read, at ${wide} by ${tall}.` : "";
    const done = `Done: ${wide} by ${tall} pixels in ${seconds} seconds.${megapixels}`;
    if (said === before) say(camera ? `Live: ${seconds} seconds a picture.` : done);
  } catch (error) {
    again = false;
    stopCamera();
    say(`This picture could not be translated: ${error.message}`, true);
  }
  busy = false;
  document.body.dataset.state = "idle";
  if (camera) requestAnimationFrame(frame);
  else if (again) {
    again = false;
    translate();
  }
};

// --- files ----------------------------------------------------------------------------------------------------

const open = async (file) => {
  if (!file) return;
  stopCamera();
  if (!file.size) return say(`${file.name} is empty.`, true);
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none", colorSpaceConversion: "none" });
  } catch {
    return say(`${file.name} is no picture that this browser can read. JPEG, PNG and WebP always work.`, true);
  }
  const { width, height } = bitmap;
  if (width * height > LARGEST_PICTURE) {
    bitmap.close();
    const millions = Math.round((width * height) / 1e6);
    return say(`${file.name} has ${millions} megapixels; this page takes up to ${LARGEST_PICTURE / 1e6}. Please make it smaller first.`, true);
  }
  if (Math.min(width, height) < facts.least) {
    bitmap.close();
    return say(`${file.name} has ${width} by ${height} pixels: at least ${facts.least} each way are needed.`, true);
  }
  take(bitmap, file.name.replace(/\.[^.]*$/, ""), width, height);
  translate();
};

$("file").addEventListener("change", () => {
  open($("file").files[0]);
  $("file").value = ""; // so that the same file can be chosen again
});
window.addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
window.addEventListener("dragleave", () => $("drop").classList.remove("over"));
window.addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const [file] = event.dataTransfer.files;
  if (file) open(file);
  else say("Please drop a file: what was dropped is none.", true);
});
window.addEventListener("paste", (event) => open([...event.clipboardData.files][0]));

// --- the camera -----------------------------------------------------------------------------------------------

let camera = null;

const stopCamera = () => {
  if (!camera) return;
  camera.getTracks().forEach((track) => track.stop());
  camera = null;
  $("camera").textContent = "Use the camera";
  $("video").srcObject = null;
  if (picture.source === $("video")) picture.source = null;
};

const frame = async () => {
  if (!camera || busy) return;
  const video = $("video");
  if (video.videoWidth) {
    const { videoWidth: width, videoHeight: height } = video;
    const still = await createImageBitmap(video);
    if (!camera) return;
    if (picture.width === width && picture.height === height && picture.source) {
      if (picture.source.close) picture.source.close();
      picture.source = still;
      draw();
    } else take(still, "camera", width, height);
    translate();
  } else setTimeout(frame, 100);
};

$("camera").addEventListener("click", async () => {
  if (camera) {
    stopCamera();
    return say("The camera is off; its last picture stays.");
  }
  if (!navigator.mediaDevices) return say("This browser gives a page that is a file no camera.", true);
  try {
    camera = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 480 } });
  } catch (error) {
    const none = error.name === "NotFoundError" ? "No camera was found." : "The camera was not allowed.";
    return say(`${none} A file works as well.`, true);
  }
  $("camera").textContent = "Stop the camera";
  picture.name = "camera";
  picture.width = 0;
  $("video").srcObject = camera;
  await $("video").play();
  frame();
});

// --- controls -------------------------------------------------------------------------------------------------

const changed = () => {
  if (picture.source) draw();
  translate();
};
for (const name of ["left", "top", "size"]) {
  $(name).addEventListener("input", () => place(Number($("left").value), Number($("top").value), Number($("size").value)));
  $(name).addEventListener("change", translate);
}
$("side").addEventListener("change", changed);
$("whole").addEventListener("change", () => {
  for (const name of ["left", "top", "size"]) $(name).disabled = whole();
  changed();
});

const scaleOfView = () => picture.width / $("source").getBoundingClientRect().width;
let grip = null; // where the square was taken hold of
$("source").addEventListener("pointerdown", (event) => {
  if (whole()) return;
  grip = { x: event.clientX, y: event.clientY, left: square.x, top: square.y };
  $("source").setPointerCapture(event.pointerId);
});
$("source").addEventListener("pointermove", (event) => {
  if (!grip) return;
  const scale = scaleOfView();
  place(grip.left + (event.clientX - grip.x) * scale, grip.top + (event.clientY - grip.y) * scale, square.side);
});
$("source").addEventListener("pointerup", () => {
  if (grip) translate();
  grip = null;
});
$("source").addEventListener("wheel", (event) => {
  if (whole()) return;
  event.preventDefault();
  resize(event.deltaY < 0 ? 1 / 1.05 : 1.05);
}, { passive: false });

const resize = (factor) => {
  const side = square.side * factor;
  place(square.x + (square.side - side) / 2, square.y + (square.side - side) / 2, side);
  translate();
};
$("source").addEventListener("keydown", (event) => {
  if (whole()) return;
  const step = Math.max(1, Math.round(square.side / 20));
  const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
  if (moves[event.key]) {
    const [x, y] = moves[event.key];
    place(square.x + x, square.y + y, square.side);
    translate();
  } else if (event.key === "+" || event.key === "=") resize(1 / 1.1);
  else if (event.key === "-") resize(1.1);
  else return;
  event.preventDefault();
});

for (const [button, canvas, suffix] of [["save", "result", "translated"], ["save-heat", "heat", "heatmap"]]) {
  $(button).addEventListener("click", () =>
    $(canvas).toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = `${picture.name || "picture"}-${suffix}.png`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 10000);
      say(`Saved as ${link.download}.`);
    }, "image/png"));
}

// --- begin ----------------------------------------------------------------------------------------------------

let ready = false;
say("The network is being read …");
ask({ kind: "load", runtime: $("runtime").textContent, wasm: $("wasm").textContent, model: $("model").textContent })
  .then(() => {
    ready = true;
    for (const name of ["runtime", "wasm", "model"]) $(name).remove();
    document.body.dataset.state = "idle";
    say("Ready. Choose a photo, drop one anywhere on this page, or use the camera.");
    translate();
  })
  .catch((error) => say(`The network cannot be run in this browser: ${error.message}`, true));
