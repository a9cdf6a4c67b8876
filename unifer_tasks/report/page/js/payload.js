// What the page carries: a small header in JSON, and blocks of gzip in base64 that are
// unpacked when they are first needed.

const report = JSON.parse(byId("report").textContent);
const ABSENT = 254; // an outcome: the run does not hold the question
const NONE = 255; // a label: none was read
const KEPT_CHUNKS = 96;

async function unpacked(id) {
  const packed = Uint8Array.from(atob(byId(id).textContent), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

const unpackedJson = async (id) => JSON.parse(new TextDecoder().decode(await unpacked(id)));

/** Calls a function once for each argument and keeps the newest results. */
function keeping(load, limit) {
  const kept = new Map();
  return (key) => {
    const value = kept.get(key) ?? load(key);
    kept.delete(key);
    kept.set(key, value);
    if (kept.size > limit) kept.delete(kept.keys().next().value);
    return value;
  };
}

/** Every question: `dataset`, `target` (indices), `id`, `image` (a row of its dataset, or -1). */
const questions = keeping(() => unpackedJson("questions"), 1);

/** What the strict reader took from a run: `outcome` and `answer` of each question. */
const readings = keeping(async (run) => {
  const bytes = new Uint8Array(await unpacked(`readings-${run}`));
  const n = bytes.length / 2;
  return { outcome: bytes.subarray(0, n), answer: bytes.subarray(n) };
}, Infinity);

/** What a cue can mean: `meaning` in words, and `present` unless it is denied. */
const meanings = keeping(() => unpackedJson("meanings"), 1);

const chunk = keeping((id) => unpackedJson(id), KEPT_CHUNKS);

/** A run's responses to `report.chunk` questions in a row: `texts`, `labels`, `rationales`, and how
 * images were `corrupted`. */
const responses = (run, number) => chunk(`responses-${run}-${number}`);

/** Where an image is: a file beside the page, or one that the page holds; null if nowhere. */
async function imageSource(view, row) {
  const { images } = report;
  if (row < 0 || !images) return null;
  if (!images.embedded) return `${images.folders[view]}/${String(row).padStart(5, "0")}.jpg`;
  const embedded = await chunk(`images-${view}-${Math.floor(row / images.chunk)}`);
  const found = embedded[row % images.chunk];
  return found && `data:image/jpeg;base64,${found}`;
}
