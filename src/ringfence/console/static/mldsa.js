// ML-DSA-44, verification alone: FIPS 204 of August 2024, with the SHAKE of FIPS 202, written from the two standards.
//
// A public key is a seed ρ, from which a matrix A grows, and t1, the high bits of a vector t. A signature is a hash c̃,
// a vector z and hints h. It holds if z is short, and A·z - c·t, of which the hints mend what t1 lacks, rounds to a
// vector w1 that together with the message hashes to c̃. Only who knows the short vectors behind t finds such a z.
//
// Nothing here is secret, so nothing hides how long it takes. Numbers are exact: a product of two residues is below
// 2^46, where a Number is whole up to 2^53; a lane of Keccak lies in two halves of 32 bits. Every encoding has one
// reading: lengths, the order of the hints and the zeros behind them are checked, and all other bits mean something.

const Q = 8380417;
const DEGREE = 256;
const ROWS = 4; // k
const COLUMNS = 4; // l
const DROPPED = 2 ** 13; // 2^d
const SIGNS = 39; // τ
const MASK = 2 ** 17; // γ1
const STEP = (Q - 1) / 44; // 2·γ2
const SLACK = 78; // β
const HINTS_MAX = 80; // ω
const [KEY_SEED_BYTES, CHALLENGE_BYTES, T1_BITS, Z_BITS, W1_BITS] = [32, 32, 10, 18, 6];
const T1_BYTES = (ROWS * DEGREE * T1_BITS) / 8;
const Z_BYTES = (COLUMNS * DEGREE * Z_BITS) / 8;
const KEY_BYTES = KEY_SEED_BYTES + T1_BYTES;
const SIGNATURE_BYTES = CHALLENGE_BYTES + Z_BYTES + HINTS_MAX + ROWS;
const [RATE_128, RATE_256] = [168, 136];

/** Whether the signature is the key's over the message. FIPS 204, algorithms 3 and 8. */
export function mlDsa44Verifies(key, message, signature, context = new Uint8Array()) {
  if (key.length !== KEY_BYTES || signature.length !== SIGNATURE_BYTES || context.length > 255) return false;
  const [seed, t1] = [key.subarray(0, KEY_SEED_BYTES), vector(key.subarray(KEY_SEED_BYTES), T1_BITS)];
  const challenge = signature.subarray(0, CHALLENGE_BYTES);
  const masked = vector(signature.subarray(CHALLENGE_BYTES, CHALLENGE_BYTES + Z_BYTES), Z_BITS);
  const z = masked.map((each) => each.map((number) => MASK - number));
  if (z.some((each) => each.some((number) => Math.abs(number) >= MASK - SLACK))) return false;
  const hints = readHints(signature.subarray(CHALLENGE_BYTES + Z_BYTES));
  if (!hints) return false;

  const spoken = shaken([shaken([key], 64), [0, context.length], context, message], 64);
  const c = transformed(ball(challenge));
  const turned = z.map((each) => transformed(each.map((number) => (number + Q) % Q)));
  const w1 = t1.map((high, row) => {
    const low = transformed(high.map((number) => number * DROPPED));
    const sum = low.map((number, at) => Q - times(number, c[at]));
    turned.forEach((each, column) => {
      const entry = grown(seed, row, column);
      for (let at = 0; at < DEGREE; at += 1) sum[at] = (sum[at] + times(entry[at], each[at])) % Q;
    });
    return transformedBack(sum).map((number, at) => rounded(number, hints[row][at]));
  });
  const found = shaken([spoken, ...w1.map((each) => packed(each, W1_BITS))], CHALLENGE_BYTES);
  return found.every((each, at) => each === challenge[at]);
}

// Encodings, and what is sampled

/** Polynomials whose numbers have so many bits each, the lowest first. Algorithms 18 and 19. */
function vector(bytes, bits) {
  const numbers = [];
  let [held, has] = [0, 0];
  for (const byte of bytes) {
    held |= byte << has;
    has += 8;
    for (; has >= bits; has -= bits) {
      numbers.push(held & ((1 << bits) - 1));
      held >>>= bits;
    }
  }
  const count = numbers.length / DEGREE;
  return Array.from({ length: count }, (_, at) => Int32Array.from(numbers.slice(at * DEGREE, (at + 1) * DEGREE)));
}

/** The bytes of numbers of so many bits each. Algorithm 16. */
function packed(numbers, bits) {
  const bytes = [];
  let [held, has] = [0, 0];
  for (const number of numbers) {
    held |= number << has;
    has += bits;
    for (; has >= 8; has -= 8) {
      bytes.push(held & 255);
      held >>>= 8;
    }
  }
  return bytes;
}

/** Where a rounded number is one further: places in ascending order, zeros behind them, and where the places of each
 * polynomial end. Null if it is spelled otherwise. Algorithm 21.
 */
function readHints(bytes) {
  const [places, ends] = [bytes.subarray(0, HINTS_MAX), bytes.subarray(HINTS_MAX)];
  const hints = [];
  let begin = 0;
  for (const end of ends) {
    if (end < begin || end > HINTS_MAX) return null;
    const own = places.subarray(begin, end);
    if (own.some((place, at) => at > 0 && own[at - 1] >= place)) return null;
    hints.push(new Uint8Array(DEGREE));
    own.forEach((place) => {
      hints.at(-1)[place] = 1;
    });
    begin = end;
  }
  return places.subarray(begin).every((place) => place === 0) ? hints : null;
}

/** A polynomial of 39 ones and minus ones, and else zeros. Algorithm 29. */
function ball(seed) {
  const next = shake(RATE_256, [seed]);
  const signs = Array.from({ length: 8 }, () => next());
  const found = new Int32Array(DEGREE);
  for (let nth = 0; nth < SIGNS; nth += 1) {
    const last = DEGREE - SIGNS + nth;
    let place = next();
    while (place > last) place = next();
    found[last] = found[place];
    found[place] = (signs[nth >> 3] >> (nth & 7)) & 1 ? Q - 1 : 1;
  }
  return found;
}

/** An entry of the matrix A, already transformed. Algorithms 30 and 32. */
function grown(seed, row, column) {
  const next = shake(RATE_128, [seed, [column, row]]);
  const found = new Int32Array(DEGREE);
  for (let at = 0; at < DEGREE; ) {
    const number = next() | (next() << 8) | ((next() & 127) << 16);
    if (number < Q) found[at++] = number;
  }
  return found;
}

/** The high part of a residue, mended by its hint. Algorithms 36 and 40. */
function rounded(number, hint) {
  let low = number % STEP;
  if (low > STEP / 2) low -= STEP;
  const high = ((number - low) / STEP) % 44; // what rounds up to Q - 1 rounds to zero
  if (!hint) return high;
  return (high + (low > 0 ? 1 : 43)) % 44;
}

// The transform in which polynomials are multiplied number by number. Algorithms 41 and 42.

const times = (left, right) => (left * right) % Q;

/** The powers of 1753 by the index read backwards: the zetas of appendix B. */
const ZETAS = (() => {
  const powers = [1];
  while (powers.length < DEGREE) powers.push(times(powers.at(-1), 1753));
  const backwards = (index) => Number.parseInt([...index.toString(2).padStart(8, "0")].reverse().join(""), 2);
  return powers.map((_, index) => powers[backwards(index)]);
})();

function transformed(polynomial) {
  const w = Int32Array.from(polynomial);
  let nth = 0;
  for (let half = 128; half >= 1; half /= 2) {
    for (let begin = 0; begin < DEGREE; begin += 2 * half) {
      nth += 1;
      for (let at = begin; at < begin + half; at += 1) {
        const turned = times(ZETAS[nth], w[at + half]);
        w[at + half] = (w[at] - turned + Q) % Q;
        w[at] = (w[at] + turned) % Q;
      }
    }
  }
  return w;
}

function transformedBack(polynomial) {
  const w = Int32Array.from(polynomial);
  let nth = DEGREE;
  for (let half = 1; half < DEGREE; half *= 2) {
    for (let begin = 0; begin < DEGREE; begin += 2 * half) {
      nth -= 1;
      for (let at = begin; at < begin + half; at += 1) {
        const left = w[at];
        w[at] = (left + w[at + half]) % Q;
        w[at + half] = times(Q - ZETAS[nth], (left - w[at + half] + Q) % Q);
      }
    }
  }
  return w.map((number) => times(number, 8347681)); // 1/256
}

// SHAKE128 and SHAKE256: FIPS 202, sections 3, 4 and 6.2

/** So many bytes of SHAKE256 over the parts. */
function shaken(parts, bytes) {
  const next = shake(RATE_256, parts);
  return Uint8Array.from({ length: bytes }, () => next());
}

/** SHAKE of a rate, over the parts one after the other: each call gives the next byte. */
export function shake(rate, parts) {
  const state = new Uint32Array(50); // lane after lane, its low half first
  let at = 0;
  const add = (byte, place) => {
    state[place >> 2] ^= byte << (8 * (place & 3));
  };
  const permuted = () => {
    permute(state);
    at = 0;
  };
  for (const part of parts) {
    for (const byte of part) {
      add(byte, at);
      at += 1;
      if (at === rate) permuted();
    }
  }
  add(0x1f, at);
  add(0x80, rate - 1);
  permuted();
  return () => {
    if (at === rate) permuted();
    const byte = (state[at >> 2] >>> (8 * (at & 3))) & 255;
    at += 1;
    return byte;
  };
}

/** Where ρ and π lead lane after lane, beginning with the one at (1, 0), and by how many bits each is turned. */
const WALK = [];
for (let [x, y, nth] = [1, 0, 1]; nth <= 24; nth += 1) {
  [x, y] = [y, (2 * x + 3 * y) % 5];
  WALK.push([2 * (x + 5 * y), ((nth * (nth + 1)) / 2) % 64]);
}

/** What ι adds in each round, in halves: bits of a shift register. Section 3.2.5. */
const ADDED = new Uint32Array(48);
for (let [register, nth] = [1, 0]; nth < 7 * 24; nth += 1) {
  const bit = 2 ** (nth % 7) - 1;
  if (register & 1) ADDED[2 * Math.floor(nth / 7) + (bit >> 5)] |= 1 << (bit & 31);
  register = (register << 1) ^ (register & 128 ? 0x171 : 0);
}

/** Keccak-f[1600]. */
function permute(state) {
  const sums = new Uint32Array(10);
  for (let round = 0; round < 24; round += 1) {
    // θ: each column takes the parities of its two neighbours
    for (let x = 0; x < 10; x += 1) sums[x] = state[x] ^ state[x + 10] ^ state[x + 20] ^ state[x + 30] ^ state[x + 40];
    for (let x = 0; x < 10; x += 2) {
      const [low, high] = [sums[(x + 2) % 10], sums[(x + 3) % 10]];
      const lowAdded = sums[(x + 8) % 10] ^ ((low << 1) | (high >>> 31));
      const highAdded = sums[(x + 9) % 10] ^ ((high << 1) | (low >>> 31));
      for (let y = 0; y < 50; y += 10) {
        state[x + y] ^= lowAdded;
        state[x + y + 1] ^= highAdded;
      }
    }
    // ρ and π: each lane is turned and moves to the place of the next
    let [low, high] = [state[2], state[3]];
    for (const [place, bits] of WALK) {
      if (bits & 32) [low, high] = [high, low];
      const [left, right] = [bits & 31, 31 - (bits & 31)];
      const next = [state[place], state[place + 1]];
      state[place] = (low << left) | ((high >>> 1) >>> right);
      state[place + 1] = (high << left) | ((low >>> 1) >>> right);
      [low, high] = next;
    }
    // χ: the only step that is not linear
    for (let y = 0; y < 50; y += 10) {
      const row = state.slice(y, y + 10);
      for (let x = 0; x < 10; x += 1) state[x + y] = row[x] ^ (~row[(x + 2) % 10] & row[(x + 4) % 10]);
    }
    state[0] ^= ADDED[2 * round];
    state[1] ^= ADDED[2 * round + 1];
  }
}
