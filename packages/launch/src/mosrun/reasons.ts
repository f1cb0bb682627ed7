/**
 * The kernel's words for why a process stays. Source: LinuxPMI `hpc/proc.c`, flags of `include/hpc/hpctask.h`; that
 * the 2.4 kernel prints the same words is believed, not known, so other words are passed on as they are.
 */
const sentences: Readonly<Record<string, string>> = {
  monkey: 'it maps a file for writing that other processes may share, or uses System V shared memory',
  mmap_dev: 'it has a device mapped into memory',
  VM86_mode: 'it runs in virtual-8086 mode',
  priv_inst: 'it uses privileged input/output instructions',
  mem_lock: 'it has locked memory (mlock)',
  clone_vm: 'it shares its memory with another process or thread',
  rt_sched: 'it has a real-time scheduling class',
  direct_io: 'it may access hardware ports directly (ioperm, iopl)',
  system: 'it is the init process',
  user_lock: 'it is locked: somebody asked that it not be moved',
};

export function explainReason(word: string): string {
  const known = Object.hasOwn(sentences, word) ? sentences[word] : undefined;
  if (known !== undefined) return known;
  const slot = /^extern_([1-4])$/.exec(word);
  return slot === null ? `the kernel says '${word}'` : `a kernel module holds it here (reason ${slot[1]})`;
}

/** Reasons stand one a line; some readers of the 2.4 kernel show several words on one. */
export function explainReasons(text: string): readonly string[] {
  const words = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .flatMap((line) => {
      const parts = line.split(/[\s,]+/);
      return parts.every((part) => Object.hasOwn(sentences, part)) ? parts : [line];
    });
  return [...new Set(words)].map((word) => explainReason(word));
}

/** Calls a program made under MOSIX that cannot be served away from home, from what it left on stderr. */
export function unsupportedCalls(stderr: string): readonly string[] {
  const lines = stderr.matchAll(/^MOSRUN: (?:system-call )?(.+?) not supported under MOSIX/gim);
  return [...new Set([...lines].map((match) => (match[1] ?? '').replaceAll("'", '')))];
}
