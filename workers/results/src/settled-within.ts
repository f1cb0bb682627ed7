/** Waits for a promise, but no longer than the given time; says nothing about which came first. */
export async function settledWithin(promise: Promise<unknown>, limitMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const enough = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, limitMs);
  });
  await Promise.race([promise.then(noValue, noValue), enough]);
  clearTimeout(timer);
}

function noValue(): void {}
