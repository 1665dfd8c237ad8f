// What stands in an `id:` and in the data of a `$gap`, as far as a verdict needs it. docs/protocol.md describes the forms.

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_-';
const MS_DIGITS = 7;
// Characters of a channel's tag in the position of several channels, by the version with which it begins.
const TAG = { v: 3, w: 6, x: 11 };

// Whether a position stands at the entry with this id: that of one channel is the id, that of several has it in one of
// its components.
export function standsAt(position, id) {
  const tag = TAG[position[0]];
  if (tag === undefined) return position === id;
  const [ms, sequence] = id.split('-').map(Number);
  const entry = digits(ms).padStart(MS_DIGITS, '0') + digits(sequence);
  return position.slice(1).split('.').some((component) => component.slice(tag) === entry);
}

// Whether one entry id is later than another. Other forms of a position cannot be compared, and are not later.
export function isLater(one, other) {
  const [a, b] = [one, other].map((id) => /^(\d+)-(\d+)$/.exec(id));
  if (!a || !b) return false;
  return Number(a[1]) !== Number(b[1]) ? Number(a[1]) > Number(b[1]) : Number(a[2]) > Number(b[2]);
}

// A number in base 64, the most significant digit first; nothing for zero.
function digits(value) {
  let text = '';
  for (let rest = value; rest > 0; rest = Math.floor(rest / 64)) text = DIGITS[rest % 64] + text;
  return text;
}
