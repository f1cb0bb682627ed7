import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { readPageSize } from '../host/process.ts';
import { badImage, imageParts } from './manifest.ts';

/**
 * Whether the memory belongs to the rest of an image that came by another way: each address space has its map, and each
 * map its pages, all of them. Its contents are what came over a connection that had proved the token.
 * @throws IMAGE_UNUSABLE
 */
export function checkPages(image: string): void {
  const folder = join(image, imageParts.criu);
  const names = readdirSync(folder);
  for (const name of names) {
    const pid = /^mm-(\d+)\.img$/.exec(name)?.[1];
    if (pid !== undefined && !names.includes(`pagemap-${pid}.img`)) {
      throw badImage(image, 'its memory is not here; it went to another node when the job was frozen');
    }
  }
  const pageBytes = readPageSize();
  for (const name of names.filter((each) => each.startsWith('pagemap-'))) {
    const { pagesId, present } = readPagemap(readFileSync(join(folder, name)));
    const pages = `pages-${pagesId}.img`;
    const size = present === 0 ? 0 : (statSync(join(folder, pages), { throwIfNoEntry: false })?.size ?? 0);
    if (size !== present * pageBytes) {
      throw badImage(image, `its file criu/${pages} has ${size} bytes instead of ${present * pageBytes}`);
    }
  }
}

/**
 * The file of pages that a map names, and how many it says are in it. Source: criu's `images/pagemap.proto`; the file is
 * two magic numbers, then messages, each after its length: one `pagemap_head`, many `pagemap_entry`.
 */
export function readPagemap(file: Buffer): { readonly pagesId: number; readonly present: number } {
  let pagesId = 0;
  let present = 0;
  for (let at = 8, first = true; at + 4 <= file.length; first = false) {
    const end = at + 4 + file.readUInt32LE(at);
    const fields = readNumbers(file.subarray(at + 4, end));
    if (first) pagesId = fields.get(1) ?? 0;
    else if (((fields.get(4) ?? presentFlag) & presentFlag) !== 0) present += fields.get(5) ?? fields.get(2) ?? 0;
    at = end;
  }
  return { pagesId, present };
}

const presentFlag = 4;

/** The numbers of a protobuf message that has nothing but numbers, by field. */
function readNumbers(message: Buffer): ReadonlyMap<number, number> {
  const fields = new Map<number, number>();
  let at = 0;
  const next = (): number => {
    let value = 0;
    for (let factor = 1; at < message.length; factor *= 128) {
      const byte = message[at++] ?? 0;
      value += (byte % 128) * factor;
      if (byte < 128) break;
    }
    return value;
  };
  while (at < message.length) {
    const key = next();
    fields.set(Math.floor(key / 8), next());
  }
  return fields;
}
