// Waits for what should happen, and never for time to pass.

/** How long a test waits for something that should happen at once: so long that only a fault outlasts it. */
export const PATIENCE = 30_000;

const POLL = 20;

/** A promise of its own, with what settles it beside it. */
export function deferred() {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
}

/**
 * Asks `probe` again and again until what it returns is truthy, and returns that. When patience ends, the fault says
 * what was wanted, and what `instead` tells.
 */
export async function until(wanted, probe, instead = () => '', patience = PATIENCE) {
  const deadline = Date.now() + patience;
  for (;;) {
    const found = await probe();
    if (found) return found;
    if (Date.now() > deadline) throw new Error(`never: ${wanted}${await instead()}`);
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
}

/** The same promise, but no longer than patience lasts. */
export function within(wanted, promise, patience = PATIENCE) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`never: ${wanted}`)), patience);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
