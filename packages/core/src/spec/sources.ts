import { bytesFromBuffer, bytesOf, type Bytes } from '../bytestring.ts';
import { errorOf } from '../errors.ts';
import { parseCsv, type CsvTable } from './csv.ts';
import { splitLines } from './lines.ts';
import { listedParam, parseParam, parseParamValues, type Param } from './params.ts';
import { specError, within, whereOnCommandLine, type PathStep, type Where } from './problem.ts';
import type { RawBatch, RawWord } from './raw-batch.ts';
import { commandLines, splitWords } from './words.ts';

/** What the files named in a raw batch hold, and words its texts cannot say. */
export interface SourceContent {
  /** The words of the command as bytes, where they were not UTF-8; they go before `raw.command`. */
  readonly command?: readonly Bytes[];
  /** The lists of `:::` as bytes; they go before `raw.values`. */
  readonly values?: readonly (readonly Bytes[])[];
  readonly each?: readonly Bytes[];
  readonly csv?: CsvTable;
  /** One command a job, split into words; with `shell`, one word: the whole line. */
  readonly commands?: readonly (readonly Bytes[])[];
  /** Values of the parameters that name a file. */
  readonly params?: ReadonlyMap<string, readonly Bytes[]>;
}

/**
 * Reads the files a raw batch names (`each`, `csv`, `commands`, `param NAME=@FILE`).
 * @param readFile gets the path as written; `-` is standard input
 * @throws SPEC_INVALID for a file that cannot be read, and for its content with file:line:column
 */
export async function loadSources(
  raw: RawBatch,
  readFile: (path: string) => Promise<Uint8Array>,
  where: Where = whereOnCommandLine,
): Promise<SourceContent> {
  let stdinIsTaken = false;
  const read = async (path: string, key: readonly PathStep[]): Promise<Uint8Array> => {
    if (path === '') throw specError(where(key), 'it names no file');
    if (path === '-' && stdinIsTaken) throw specError(where(key), 'standard input can be read once');
    stdinIsTaken ||= path === '-';
    try {
      return await readFile(path);
    } catch (error) {
      throw specError(where(key), `cannot read '${path}': ${reasonOf(error)}`);
    }
  };
  const { each, csv, commands } = raw;
  const params = new Map<string, readonly Bytes[]>();
  for (const param of rawParams(raw, where)) {
    if ('file' in param) params.set(param.name, splitLines(await read(param.file, ['param', param.name])));
  }
  return {
    ...(typeof each === 'string' && {
      each: splitLines(await read(each, ['each']), raw.null === true ? 'nul' : 'newline'),
    }),
    ...(csv !== undefined && { csv: parseCsv(await read(csv, ['csv']), fileName(csv)) }),
    ...(typeof commands === 'string' && {
      commands: splitCommands(
        bytesFromBuffer(await read(commands, ['commands'])),
        fileName(commands),
        raw.shell === true,
      ),
    }),
    params,
  };
}

/** The parameters in their order, those of files not yet read. */
export function rawParams(raw: RawBatch, where: Where): Param[] {
  const { param } = raw;
  if (param === undefined) return [];
  const found =
    typeof param === 'string' || Array.isArray(param)
      ? [param as string | readonly string[]].flat().map((text) => within(where(['param']), () => parseParam(text)))
      : Object.entries(param as Readonly<Record<string, RawWord | readonly RawWord[]>>).map(([name, values]) =>
          within(where(['param', name]), () =>
            Array.isArray(values)
              ? listedParam(
                  name,
                  (values as readonly RawWord[]).map((value) => bytesOf(String(value))),
                )
              : parseParamValues(name, String(values)),
          ),
        );
  const names = found.map(({ name }) => name);
  const twice = names.find((name, position) => names.indexOf(name) !== position);
  if (twice !== undefined) throw specError(where(['param']), `the parameter '${twice}' is given twice`);
  return found;
}

/** The commands of a commands file; with `shell`, each line stays whole for `sh -c`. */
function splitCommands(content: Bytes, name: string, shell: boolean): Bytes[][] {
  return commandLines(content, name).map(({ line, text }) => {
    const words = shell ? [text] : splitWords(text, { name, line });
    if (words[0] === '') throw specError(`${name}:${line}:1`, 'the name of the program is empty');
    return words;
  });
}

function fileName(path: string): string {
  return path === '-' ? 'stdin' : path;
}

function reasonOf(thrown: unknown): string {
  const error: Error & { code?: unknown } = errorOf(thrown);
  switch (error.code) {
    case 'ENOENT':
      return 'no such file';
    case 'EACCES':
      return 'permission denied';
    case 'EISDIR':
      return 'it is a folder';
    default:
      return error.message;
  }
}
