/** `1 job`, `3 jobs`. */
export function jobsText(count: number): string {
  return `${count} ${count === 1 ? 'job' : 'jobs'}`;
}
