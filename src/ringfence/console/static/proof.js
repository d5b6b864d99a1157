// A customer's proof, verified in the browser: docs/reference/liabilities-format.md, section "A customer's proof".
//
// No network, no clock, and nothing of the page: `verify(content, given)` is a function from bytes to lines. Ed25519 and
// SHA-256 are the browser's; ML-DSA-44 is mldsa.js.
//
// A line is `holds`, `fails` (with the name of what is wrong and its facts) or `unchecked` (with the reason). The verdict
// is "valid" only if every line of REQUIRED holds, "not_valid" if any line fails, and "open" otherwise.
//
// JSON counts in its one canonical spelling alone (RFC 8785): it is read, spelled again and compared. So names that
// stand twice, numbers that lose digits and escapes with a second reading are refused by one comparison. Amounts are
// BigInt, and whatever does not fit into 64 bits is refused at each node.

import { mlDsa44Verifies } from "./mldsa.js";

export const REQUIRED = ["file", "key", "signature", "second_signature", "event", "figures", "day", "identity", "amount", "place"];
export const FILE_BYTES_MAX = 1 << 21;
const U64_MAX = (1n << 64n) - 1n;
const EVENT = 16;
const LIABILITIES_PROVEN = 1180;
const [ED25519, COSIGNED_ED25519, ML_DSA_44] = [1, 4, 6];
const SPOKEN = { [ED25519]: "Ed25519", [COSIGNED_ED25519]: "Ed25519", [ML_DSA_44]: "ML-DSA-44" };
const PUBLIC_BYTES = { [ED25519]: 32, [COSIGNED_ED25519]: 32, [ML_DSA_44]: 1312 };
const LEAF_HEAD_BYTES = 116;
const PATH_NODES_MAX = 64;
const NAME_BYTES_MAX = 255;
const utf8 = new TextEncoder();

/** What is wrong, by name, with the facts of the case. */
export class Wrong extends Error {
  constructor(name, facts = {}) {
    super(name);
    this.name = name;
    this.facts = facts;
  }
}

/** What this browser cannot say. */
class Unchecked extends Error {
  constructor(reason, facts = {}) {
    super(reason);
    this.reason = reason;
    this.facts = facts;
  }
}

// Bytes

function joined(...parts) {
  const all = new Uint8Array(parts.reduce((sum, each) => sum + each.length, 0));
  let at = 0;
  for (const each of parts) {
    all.set(each, at);
    at += each.length;
  }
  return all;
}

const same = (left, right) => left.length === right.length && left.every((each, at) => each === right[at]);
export const hexadecimal = (bytes) => Array.from(bytes, (each) => each.toString(16).padStart(2, "0")).join("");
const spelled = (bytes) => btoa(Array.from(bytes, (each) => String.fromCharCode(each)).join(""));

/** The bytes of canonical base64, or null. */
function unspelled(text) {
  if (typeof text !== "string") return null;
  try {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    return spelled(bytes) === text ? bytes : null;
  } catch {
    return null;
  }
}

function sized(number, bytes) {
  const all = new Uint8Array(bytes);
  for (let at = bytes - 1, rest = BigInt(number); at >= 0; at -= 1, rest >>= 8n) all[at] = Number(rest & 255n);
  return all;
}

export function u64(amount) {
  if (amount < 0n || amount > U64_MAX) throw new Wrong("liability_is_not_unsigned", { amount });
  return sized(amount, 8);
}

const counted = (text) => joined(sized(utf8.encode(text).length, 4), utf8.encode(text));

async function sha256(...parts) {
  if (!globalThis.crypto?.subtle) throw new Unchecked("browser_has_no_cryptography");
  return new Uint8Array(await crypto.subtle.digest("SHA-256", joined(...parts)));
}

/** Whether a text has an encoding: no half of a surrogate pair alone. (isWellFormed is younger than some browsers.) */
function wellFormed(text) {
  try {
    encodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

// JSON in its one spelling

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const names = Object.keys(value).sort();
  return `{${names.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

function readJson(bytes, place) {
  let text, found;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    found = JSON.parse(text);
    if (canonical(found) === text) return found;
  } catch {
    throw new Wrong("json_is_not_canonical", { place });
  }
  throw new Wrong("json_is_not_canonical", { place });
}

/** A value that has exactly these fields. `no` says what is thrown otherwise. */
function fields(value, names, no) {
  const has = value !== null && typeof value === "object" && !Array.isArray(value) ? Object.keys(value).sort() : [];
  if (!same(has, [...names].sort())) {
    const odd = [...has.filter((each) => !names.includes(each)), ...names.filter((each) => !has.includes(each))];
    throw no(odd[0] ?? "{}");
  }
  return value;
}

const word = (value, no) => {
  if (typeof value !== "string" || !value || !wellFormed(value)) throw no();
  return value;
};
const whole = (value, no) => {
  if (!Number.isSafeInteger(value) || value < 0) throw no();
  return value;
};
const minor = (value, no) => {
  if (typeof value !== "string" || !/^(0|-?[1-9][0-9]{0,19})$/.test(value)) throw no();
  return BigInt(value);
};
const hash = (value, no) => {
  const bytes = unspelled(value);
  if (bytes?.length !== 32) throw no();
  return bytes;
};
const list = (value, no) => {
  if (!Array.isArray(value) || value.length > 4096) throw no();
  return value;
};

// The tree of liabilities

export const identity = (book, holder) => sha256(counted("ringfence/customer/v1"), counted(book), counted(holder));

export async function leaf(id, amount, nonce) {
  return { hash: await sha256([0], utf8.encode("ringfence/liability/v1"), id, u64(amount), nonce), sum: amount };
}

/** The node over two. In mode `sum` both sums are part of the hash, so that neither has a second reading. */
export async function join(mode, left, right) {
  if (mode === "auditor") return { hash: await sha256([1], left.hash, right.hash), sum: 0n };
  const sum = left.sum + right.sum;
  if (sum > U64_MAX) throw new Wrong("liability_sum_overflows", { left: left.sum, right: right.sum });
  return { hash: await sha256([1], left.hash, u64(left.sum), right.hash, u64(right.sum)), sum };
}

export async function climb(mode, from, index, count, path) {
  const waiting = [...path];
  let [node, at, width] = [from, BigInt(index), BigInt(count)];
  if (at >= width) throw new Wrong("liability_path_has_wrong_length");
  while (width > 1n) {
    const odd = at & 1n;
    if (odd || at + 1n < width) {
      const sibling = waiting.shift();
      if (!sibling) throw new Wrong("liability_path_has_wrong_length");
      node = odd ? await join(mode, sibling, node) : await join(mode, node, sibling);
    }
    [at, width] = [at >> 1n, (width + 1n) >> 1n];
  }
  if (waiting.length) throw new Wrong("liability_path_has_wrong_length");
  return node;
}

// Keys and signed notes

/** One line `name+id+base64` of C2SP's signed notes. */
async function readKey(line) {
  const no = () => new Wrong("key_is_malformed", { line: line.slice(0, 60) });
  const [, name, id, content] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(line) ?? [];
  const bytes = unspelled(content);
  if (!bytes || PUBLIC_BYTES[bytes[0]] !== bytes.length - 1 || utf8.encode(name).length > NAME_BYTES_MAX) throw no();
  const found = (await sha256(utf8.encode(`${name}\n`), bytes)).slice(0, 4);
  if (hexadecimal(found) !== id) throw no();
  return { name, id: found, algorithm: bytes[0], public: bytes.slice(1), line };
}

/** All keys of a text, a line each, with the fingerprint of each notary: the SHA-256 of its file `notary.vkey`. */
export async function readKeys(text) {
  const lines = text.split("\n").map((each) => each.trim()).filter(Boolean);
  const keys = await Promise.all([...new Set(lines)].map(readKey));
  const notaries = [];
  for (const first of keys.filter((each) => each.algorithm === ED25519)) {
    const [second, third] = keys.filter((each) => each.algorithm === ML_DSA_44 && each.name === first.name);
    if (third || notaries.some((each) => each.name === first.name)) throw new Wrong("key_stands_twice", { name: first.name });
    const file = [first, ...(second ? [second] : [])].map((each) => `${each.line}\n`).join("");
    notaries.push({ name: first.name, first, second, file, fingerprint: hexadecimal(await sha256(utf8.encode(file))) });
  }
  const own = new Set(notaries.flatMap((each) => [each.first, each.second]));
  return { notaries, cosigners: keys.filter((each) => !own.has(each)) };
}

/** Does the key say that it signed this text? `Unchecked` by a browser without Ed25519. */
async function verifies(key, text, signature) {
  if (key.algorithm === ML_DSA_44) {
    const [said, time, signed] = [readCheckpoint(text), signature.slice(0, 8), signature.slice(8)];
    if (utf8.encode(said.origin).length > NAME_BYTES_MAX) return false;
    return mlDsa44Verifies(key.public, subtree(key.name, time, said), signed);
  }
  const timed = key.algorithm === COSIGNED_ED25519;
  if (signature.length !== (timed ? 72 : 64)) return false;
  const time = timed ? new DataView(signature.buffer, signature.byteOffset).getBigUint64(0) : 0n;
  const said = utf8.encode(timed ? `cosignature/v1\ntime ${time}\n${text}` : text);
  try {
    const known = await crypto.subtle.importKey("raw", key.public, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", known, timed ? signature.slice(8) : signature, said);
  } catch (no) {
    if (no?.name === "NotSupportedError" || no?.name === "TypeError" || !globalThis.crypto?.subtle) {
      throw new Unchecked("browser_lacks_ed25519", { name: key.name });
    }
    return false;
  }
}

/** What a key of ML-DSA-44 signs of a checkpoint (C2SP tlog-cosignature): it says nothing of further lines. */
function subtree(name, time, { origin, size, root }) {
  const short = (text) => joined(sized(utf8.encode(text).length, 1), utf8.encode(text));
  return joined(utf8.encode("subtree/v1\n\0"), short(name), time, short(origin), sized(0, 8), sized(size, 8), root);
}

function readNote(note, place) {
  const no = () => new Wrong("note_is_malformed", { place });
  if (typeof note !== "string" || !wellFormed(note) || /[\u0000-\u0009\u000b-\u001f]/.test(note)) throw no();
  const cut = note.lastIndexOf("\n\n");
  if (cut < 0 || !note.endsWith("\n") || cut + 2 >= note.length) throw no();
  const signatures = note.slice(cut + 2, -1).split("\n").map((line) => {
    const [, name, content] = /^— ([^\s+]+) ([A-Za-z0-9+/]+=*)$/.exec(line) ?? [];
    const bytes = unspelled(content);
    if (!bytes || bytes.length < 5) throw no();
    return { name, id: bytes.slice(0, 4), signature: bytes.slice(4) };
  });
  return { text: note.slice(0, cut + 1), signatures };
}

function readCheckpoint(text) {
  const no = () => new Wrong("checkpoint_is_malformed");
  const lines = text.split("\n").slice(0, -1);
  if (lines.length < 3 || lines.includes("") || !/^(0|[1-9][0-9]{0,18})$/.test(lines[1])) throw no();
  return { origin: lines[0], size: BigInt(lines[1]), root: hash(lines[2], no) };
}

const linesOf = (note, key) => note.signatures.filter((each) => each.name === key.name && same(each.id, key.id));

/** One signature of the key, no more, and it holds. */
async function requireSigned(note, key) {
  const ours = linesOf(note, key);
  const said = { name: key.name, algorithm: SPOKEN[key.algorithm] };
  if (!ours.length) throw new Wrong("note_is_not_signed", { ...said, found: names(note.signatures) });
  if (ours.length > 1) throw new Wrong("note_is_forged", said);
  if (!(await verifies(key, note.text, ours[0].signature))) throw new Wrong("note_is_forged", said);
}

/** Which of the keys signed, by name, with all keys that were given of the name; each with the algorithms that hold. A
 * signature of a known key that does not hold spoils the note; one that this browser cannot check is counted for none.
 */
async function cosigned(note, keys) {
  const [held, absent, unchecked] = [new Map(), new Set(), new Set()];
  for (const key of keys) {
    try {
      if (linesOf(note, key).length) {
        await requireSigned(note, key);
        held.set(key.name, [...(held.get(key.name) ?? []), SPOKEN[key.algorithm]]);
      } else absent.add(key.name);
    } catch (no) {
      if (!(no instanceof Unchecked)) throw no;
      unchecked.add(key.name);
    }
  }
  const whole = [...held.keys()].filter((each) => !absent.has(each) && !unchecked.has(each)).sort();
  return { held: whole.map((each) => `${each} (${held.get(each).join(" + ")})`), unchecked: [...unchecked].sort() };
}

const names = (all) => [...new Set(all.map((each) => each.name))].sort().join(", ");

// The row of the journal, and what it says

/** RFC 9162, section 2.1.3.2. */
async function requireIncluded(path, size, root, index, record) {
  const no = () => new Wrong("receipt_has_wrong_length");
  let [at, last, node] = [BigInt(index), size - 1n, await sha256([0], record)];
  if (at > last) throw no();
  for (const sibling of path) {
    if (last === 0n) throw no();
    if (at & 1n || at === last) {
      node = await sha256([1], sibling, node);
      while (at && !(at & 1n)) [at, last] = [at >> 1n, last >> 1n];
    } else {
      node = await sha256([1], node, sibling);
    }
    [at, last] = [at >> 1n, last >> 1n];
  }
  if (last) throw no();
  if (!same(node, root)) throw new Wrong("receipt_leads_elsewhere");
}

/** A leaf of version 1 (docs/reference/evidence-format.md), which is the row of the event. */
function readRow(record, index) {
  const no = (field) => new Wrong("row_is_malformed", { field });
  if (record.length < LEAF_HEAD_BYTES) throw no("length");
  const at = new DataView(record.buffer, record.byteOffset, record.length);
  if (at.getUint8(0) !== 1) throw no("version");
  if (at.getUint16(2) > 1) throw no("flags");
  if (at.getUint32(112) !== record.length - LEAF_HEAD_BYTES) throw no("payload length");
  for (const [name, place] of [["debit_account", 32], ["credit_account", 40], ["amount", 48]]) {
    if (at.getBigUint64(place) >> 63n) throw no(name);
  }
  if (at.getBigUint64(8) !== BigInt(index)) throw new Wrong("row_has_another_sequence", { index });
  if (at.getUint8(1) !== EVENT || at.getUint32(88) !== LIABILITIES_PROVEN) throw new Wrong("proof_is_of_another_row", { index });
  return record.slice(LEAF_HEAD_BYTES);
}

const PROOF = ["amount", "attestations", "balance", "book", "currency", "day", "event", "format", "holder", "id", "index", "nonce", "path", "reveals"];
const RECEIPT = ["checkpoint", "format", "index", "leaf", "path"];
const SAYS = ["book", "checkpoint", "closed", "count", "currency", "cut_off", "day", "decimals", "format", "mode", "negative_count", "negative_total", "root", "safeguarding", "statements", "total", "unallocated"];
const STATEMENT = ["account", "closing", "fingerprint", "reconciliation", "statement"];

function isDay(text) {
  const at = new Date(`${text}T00:00:00Z`);
  return /^[0-9]{4}-[0-9]{2}-[0-9]{2}$/.test(text) && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}

/** The file's fields, read but not yet believed. */
function readProof(content) {
  if (content.length > FILE_BYTES_MAX) throw new Wrong("file_is_too_large");
  const other = (field) => () => new Wrong("file_has_other_fields", { field });
  const named = (field) => other(field)();
  const found = fields(readJson(content, "the file"), PROOF, named);
  if (found.format !== "ringfence-liability-proof-1") throw named("format");
  for (const name of ["book", "currency", "holder"]) word(found[name], other(name));
  if (typeof found.day !== "string" || !isDay(found.day)) throw named("day");
  const receipt = fields(found.event, RECEIPT, (field) => named(`event.${field}`));
  if (receipt.format !== "ringfence-receipt-1") throw named("event.format");
  const record = unspelled(receipt.leaf);
  if (!record) throw named("event.leaf");
  for (const note of list(found.attestations, other("attestations"))) readNote(note, "attestations");
  return {
    ...found,
    amount: minor(found.amount, other("amount")),
    balance: minor(found.balance, other("balance")),
    id: hash(found.id, other("id")),
    nonce: hash(found.nonce, other("nonce")),
    index: whole(found.index, other("index")),
    path: short(list(found.path, other("path"))),
    receipt: {
      note: receipt.checkpoint,
      index: whole(receipt.index, other("event.index")),
      path: short(list(receipt.path, other("event.path"))).map((each) => hash(each, other("event.path"))),
      record,
    },
  };
}

function short(path) {
  if (path.length > PATH_NODES_MAX) throw new Wrong("liability_path_has_wrong_length");
  return path;
}

/** LIABILITIES_PROVEN, in order in itself. */
function readEvent(payload, sequence) {
  const no = (part) => () => new Wrong("liabilities_row_is_wrong", { part });
  const hold = (truth, part) => {
    if (!truth) throw no(part)();
  };
  const says = fields(readJson(payload, "the event"), SAYS, (field) => no(field)());
  const tested = fields(says.safeguarding, ["difference", "requirement", "resource", "sequence"], () => no("safeguarding")());
  const checkpoint = fields(says.checkpoint, ["root", "size"], () => no("checkpoint")());
  hold(says.format === "ringfence-liabilities-1", "format");
  hold(says.mode === "auditor" || says.mode === "sum", "mode");
  hold(typeof says.day === "string" && isDay(says.day), "day");
  hold(whole(says.decimals, no("decimals")) < 20, "decimals");
  const found = {
    ...says,
    book: word(says.book, no("book")),
    currency: word(says.currency, no("currency")),
    root: hash(says.root, no("root")),
    count: whole(says.count, no("count")),
    total: minor(says.total, no("total")),
    negative_count: whole(says.negative_count, no("negative_count")),
    negative_total: minor(says.negative_total, no("negative_total")),
    unallocated: minor(says.unallocated, no("unallocated")),
    requirement: minor(tested.requirement, no("safeguarding")),
    resource: minor(tested.resource, no("safeguarding")),
    difference: minor(tested.difference, no("safeguarding")),
    sequence,
  };
  hold(found.total >= 0n && found.total <= U64_MAX, "total");
  hold(found.unallocated >= 0n && found.negative_total <= 0n, "unallocated");
  hold((found.negative_count === 0) === (found.negative_total === 0n), "negative_count");
  hold(found.negative_count <= found.count, "negative_count");
  hold(found.total + found.unallocated === found.requirement, "requirement");
  hold(found.resource - found.requirement === found.difference, "difference");
  hold(whole(tested.sequence, no("safeguarding")) < whole(says.closed, no("closed")), "closed");
  hold(whole(says.cut_off, no("cut_off")) <= says.closed, "cut_off");
  hash(checkpoint.root, no("checkpoint"));
  hold(says.closed < whole(checkpoint.size, no("checkpoint")) && checkpoint.size <= sequence, "checkpoint");
  found.statements = list(says.statements, no("statements")).map((each) => {
    fields(each, STATEMENT, () => no("statements")());
    hold(whole(each.reconciliation, no("statements")) < says.closed, "statements");
    word(each.account, no("statements"));
    return { ...each, closing: minor(each.closing, no("statements")) };
  });
  const accounts = found.statements.map((each) => each.account);
  hold(accounts.every((each, at) => !at || accounts[at - 1] < each), "statements");
  return found;
}

/** What an auditor signs. */
const noteText = (says, origin) =>
  `${origin}/liabilities/${says.day}/${says.currency}/${says.mode}/${says.total}/${says.negative_count}/${says.negative_total}\n` +
  `${says.count}\n${spelled(says.root)}\n`;

/** Minor units with a point before the last `decimals` digits, thousands apart. */
export function decimal(amount, decimals) {
  const digits = (amount < 0n ? -amount : amount).toString().padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const major = digits.slice(0, cut).replace(/\B(?=(\d{3})+$)/g, ",");
  return `${amount < 0n ? "-" : ""}${major}${decimals ? `.${digits.slice(cut)}` : ""}`;
}

/** Minor units of a decimal as people write it, `1,234.50`; null if it is none. */
export function minorUnits(text, decimals) {
  const [, sign, major, minors = ""] = /^([-−]?)([0-9]+)(?:\.([0-9]+))?$/.exec(text.replace(/[\s,'’]/g, "")) ?? [];
  if (major === undefined || minors.length > decimals) return null;
  return BigInt(`${sign ? "-" : ""}${major}${minors.padEnd(decimals, "0")}`);
}

/** A customer's id as it stands on the statement, with or without its kind. */
export const holderOf = (text) => (text.trim().startsWith("customer:") ? text.trim() : `customer:${text.trim()}`);

/** What a statement carries: in a page as a string of JSON, in JSON as itself. Anything else is taken for the proof. */
export function proofIn(content) {
  const text = new TextDecoder("utf-8", { ignoreBOM: true }).decode(content);
  const found = [...text.matchAll(/<script type="application\/json" data-proof>([^<]*)<\/script>/g)];
  try {
    if (found.length === 1) return utf8.encode(JSON.parse(found[0][1]));
    const { holder, proof } = JSON.parse(text);
    return holder && proof?.format ? utf8.encode(canonical(proof)) : content;
  } catch {
    return content;
  }
}

/** Verify a proof.
 *
 * `given` is what the reader brings: `holder`; `balance` (text, or empty); `keys` (text, a key a line); `fingerprint` (of
 * the notary's file of keys, or empty); `compared` (the reader has compared it); `kept` ({name: file of keys} from before).
 */
export async function verify(content, given) {
  const lines = [];
  const found = {};
  async function line(name, needs, examine) {
    const missing = needs.find((each) => found[each] === undefined);
    if (missing) return void lines.push({ name, state: "unchecked", reason: "rests_on_another", facts: { on: missing } });
    try {
      lines.push({ name, state: "holds", facts: (await examine()) ?? {} });
    } catch (no) {
      if (no instanceof Wrong) lines.push({ name, state: "fails", reason: no.name, facts: no.facts });
      else if (no instanceof Unchecked) lines.push({ name, state: "unchecked", reason: no.reason, facts: no.facts });
      else throw no;
    }
  }

  await line("file", [], () => {
    found.proof = readProof(content);
    found.note = readNote(found.proof.receipt.note, "event.checkpoint");
    found.checkpoint = readCheckpoint(found.note.text);
  });
  await line("key", ["checkpoint"], async () => {
    const keys = await readKeys(given.keys);
    const { origin } = found.checkpoint;
    found.cosigners = keys.cosigners;
    if (!keys.notaries.length) throw new Unchecked("no_key_was_given", { origin });
    const notary = keys.notaries.find((each) => each.name === origin);
    if (!notary) throw new Wrong("checkpoint_is_of_another_log", { found: origin, wanted: names(keys.notaries) });
    const before = given.kept?.[origin];
    if (before !== undefined && before !== notary.file) throw new Wrong("key_has_changed", { name: origin });
    const typed = given.fingerprint.replace(/[\s:]/g, "").toLowerCase();
    if (typed && typed !== notary.fingerprint) throw new Wrong("key_is_another", { typed, found: notary.fingerprint });
    found.notary = notary;
    if (!typed && before === undefined && !given.compared) throw new Unchecked("key_was_not_compared", { name: origin });
    return { name: origin, how: typed ? "typed" : before === undefined ? "compared" : "kept" };
  });
  await line("signature", ["notary"], async () => {
    await requireSigned(found.note, found.notary.first);
    return { name: found.notary.name, size: found.checkpoint.size };
  });
  await line("second_signature", ["notary"], async () => {
    const { second } = found.notary;
    if (!second) throw new Unchecked("no_second_key_was_given");
    await requireSigned(found.note, second);
    return { name: found.notary.name, size: found.checkpoint.size };
  });
  await line("event", ["checkpoint"], async () => {
    const { index, path, record } = found.proof.receipt;
    await requireIncluded(path, found.checkpoint.size, found.checkpoint.root, index, record);
    found.payload = readRow(record, index);
    return { index, size: found.checkpoint.size };
  });
  await line("figures", ["payload"], () => {
    found.says = readEvent(found.payload, found.proof.receipt.index);
  });
  await line("day", ["says"], () => {
    const book = found.checkpoint.origin.slice(found.checkpoint.origin.lastIndexOf("/") + 1);
    for (const [field, wanted] of [["book", book], ["book", found.says.book], ["currency", found.says.currency], ["day", found.says.day]]) {
      if (found.proof[field] !== wanted) throw new Wrong("proof_is_of_another_day", { field, found: found.proof[field], wanted });
    }
    return { day: found.says.day, currency: found.says.currency, book };
  });
  await line("identity", ["proof"], async () => {
    const { book, holder, id } = found.proof;
    if (!same(await identity(book, holder), id)) throw new Wrong("proof_has_another_id", { holder });
    if (!given.holder.trim()) throw new Unchecked("no_holder_was_given", { holder });
    const typed = holderOf(given.holder);
    if (typed !== holder) throw new Wrong("holder_is_another", { typed, found: holder });
    return { holder };
  });
  await line("amount", ["says"], () => {
    const { amount, balance } = found.proof;
    if (amount < 0n || amount > U64_MAX) throw new Wrong("liability_is_not_unsigned", { amount });
    if (amount !== (balance < 0n ? 0n : balance)) throw new Wrong("proof_has_another_amount", { amount, balance });
    if (given.balance.trim()) {
      const typed = minorUnits(given.balance, found.says.decimals);
      if (typed !== balance) {
        throw new Wrong("balance_is_another", { typed: given.balance.trim(), found: decimal(balance, found.says.decimals) });
      }
    }
    return { balance: decimal(balance, found.says.decimals), currency: found.says.currency, typed: Boolean(given.balance.trim()) };
  });
  await line("place", ["says"], async () => {
    const { proof, says } = found;
    const no = () => new Wrong("file_has_other_fields", { field: "path" });
    if (!same(list(proof.reveals, no), says.mode === "auditor" ? ["count"] : ["count", "sums"])) {
      throw new Wrong("file_has_other_fields", { field: "reveals" });
    }
    const path = proof.path.map((each) => {
      if (says.mode === "auditor") return { hash: hash(each, no), sum: 0n };
      fields(each, ["hash", "sum"], no);
      const sibling = { hash: hash(each.hash, no), sum: minor(each.sum, no) };
      u64(sibling.sum);
      return sibling;
    });
    const top = await climb(says.mode, await leaf(proof.id, proof.amount, proof.nonce), proof.index, says.count, path);
    if (!same(top.hash, says.root)) throw new Wrong("proof_leads_to_another_root");
    if (says.mode === "sum" && top.sum !== says.total) throw new Wrong("liabilities_do_not_add_up", { found: top.sum, said: says.total });
    return { index: proof.index + 1, count: says.count, mode: says.mode };
  });
  await line("auditor", ["says"], async () => {
    const wanted = noteText(found.says, found.checkpoint.origin);
    const [held, unchecked, others] = [new Set(), new Set(), new Set()];
    for (const each of found.proof.attestations) {
      const note = readNote(each, "attestations");
      if (note.text !== wanted) throw new Wrong("attestation_is_of_another_tree", { name: names(note.signatures) });
      const by = await cosigned(note, found.cosigners ?? []);
      by.held.forEach((name) => held.add(name));
      by.unchecked.forEach((name) => unchecked.add(name));
      note.signatures.forEach((one) => others.add(one.name));
    }
    const facts = { held: [...held].join(", "), names: [...others].sort().join(", "), mode: found.says.mode };
    if (!held.size && unchecked.size) throw new Unchecked("browser_lacks_ed25519");
    if (!held.size) throw new Unchecked(others.size ? "auditor_is_not_known" : `no_auditor_${found.says.mode}`, facts);
    return facts;
  });
  await line("witnesses", ["checkpoint"], async () => {
    const by = await cosigned(found.note, found.cosigners ?? []);
    const others = names(found.note.signatures.filter((each) => each.name !== found.checkpoint.origin));
    if (!by.held.length && by.unchecked.length) throw new Unchecked("browser_lacks_ed25519");
    if (!by.held.length) throw new Unchecked(others ? "witness_is_not_known" : "no_witness_signed", { names: others });
    return { held: by.held.join(", "), names: others };
  });

  const failed = lines.some((each) => each.state === "fails");
  const holds = REQUIRED.every((name) => lines.find((each) => each.name === name).state === "holds");
  return { verdict: failed ? "not_valid" : holds ? "valid" : "open", lines, proof: found.proof, says: found.says, notary: found.notary };
}
