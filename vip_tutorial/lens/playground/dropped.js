// A recorded run that the reader opens from their machine: `trace(...).save("run.json")`.

import { readRun } from "../permute_lens/recording.js";

const MOST_BYTES = 64 * 2 ** 20; // of a file, and of what it unpacks to
const MEGABYTES = `${MOST_BYTES / 2 ** 20} MB`;

/**
 * The recording in a file, packed with gzip or not.  Nothing of it is run, or sent.
 * @param {Blob & {name?: string}} file
 * @returns {Promise<object>}
 * @throws {Error} a sentence, if it is none
 */
export async function recordingOf(file) {
  const name = `“${String(file.name ?? "The file").slice(0, 60)}”`;
  const tooLarge = `${name} is larger than ${MEGABYTES}. Trace a smaller input, or a part of the function.`;
  if (file.size > MOST_BYTES) throw new Error(tooLarge);
  const [first, second] = new Uint8Array(await file.slice(0, 2).arrayBuffer());
  let text;
  try {
    text = first === 0x1f && second === 0x8b ? await unpackedText(file) : await file.text();
  } catch {
    throw new Error(`${name} is packed with gzip and damaged: it ends too early, or was changed. Save it anew.`);
  }
  if (text === null) throw new Error(tooLarge);
  let data;
  try {
    data = JSON.parse(text);
  } catch {
    throw new Error(`${name} is no recording: it is not JSON. In Python, trace(f, x).save("run.json") writes one.`);
  }
  try {
    readRun(data);
  } catch (error) {
    throw new Error(`${name} cannot be shown: ${error instanceof Error ? error.message : "it is damaged"}.`);
  }
  return data;
}

/** What a packed file holds; null if that is too much. */
async function unpackedText(file) {
  const reader = file.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const parts = [];
  let bytes = 0;
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    bytes += value.length;
    if (bytes > MOST_BYTES) {
      await reader.cancel();
      return null;
    }
    parts.push(value);
  }
  return new Blob(parts).text();
}
