/** `1 job`, `3 jobs`. */
export function jobsText(count: number): string {
  return `${count} ${count === 1 ? 'job' : 'jobs'}`;
}

/** How long a job stood still: `0.12 s`. */
export function stillText(pauseMs: number): string {
  return `${(pauseMs / 1000).toFixed(2)} s`;
}

/** Size of an image: `5.2 MB`. */
export function imageText(bytes: number): string {
  return bytes < 1e9 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}
