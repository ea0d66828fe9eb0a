// A picture to share: a landscape of any size, as a PNG.

import { deflateSync } from 'node:zlib';

/** How each byte changes the check sum (PNG, third edition, annex D). */
const TABLE = Array.from({ length: 256 }, (_, n) => {
  let sum = n;
  for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? 0xedb88320 ^ (sum >>> 1) : sum >>> 1;
  return sum;
});

function chunk(type, data) {
  const body = Buffer.concat([Buffer.from(type), data]);
  const ends = Buffer.alloc(8);
  ends.writeUInt32BE(data.length, 0);
  ends.writeInt32BE(~body.reduce((sum, byte) => TABLE[(sum ^ byte) & 255] ^ (sum >>> 8), -1), 4);
  return Buffer.concat([ends.subarray(0, 4), body, ends.subarray(4)]);
}

/** The colour at a point; both go from 0 to 1. */
function landscape(x, y) {
  if (y > 0.78 + 0.05 * Math.sin(x * 5 + 2)) return [74, 122, 72];
  if (y > 0.62 + 0.1 * Math.sin(x * 6 + 1) + 0.05 * Math.sin(x * 15)) return [96, 118, 150];
  if ((x - 0.75) ** 2 + ((y - 0.28) / 1.78) ** 2 < 0.004) return [255, 236, 170];
  return [130 + 110 * y, 185 + 55 * y, 240];
}

/** Returns the bytes of a picture. */
export function png(width, height) {
  const rows = Buffer.alloc(height * (width * 3 + 1));
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) rows.set(landscape(x / width, y / height), y * (width * 3 + 1) + 1 + x * 3);
  }
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2], 8); // eight bits a colour, and three colours
  const signature = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', deflateSync(rows)), chunk('IEND', Buffer.alloc(0))]);
}
