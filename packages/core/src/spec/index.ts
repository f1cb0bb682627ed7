export { countRange, countRanges, parseArray, type ArrayJobs } from './arrays.ts';
export {
  batchFileJsonSchema,
  formatOfFile,
  parseBatchFile,
  type BatchFile,
  type BatchFileFormat,
} from './batch-file.ts';
export { compileBatch, type CompiledBatch, type SubmitContext } from './compile.ts';
export { parseCsv, type CsvTable } from './csv.ts';
export { batchEnvironment } from './environment.ts';
export { axisLength, indexOf, jobCount, JobExpander, needsItem, ordinalOf, type ExpandedJob } from './expand.ts';
export { maxJobs } from './job-limit.ts';
export { splitLines } from './lines.ts';
export { nearest } from './nearest.ts';
export { compileLimits, compileOptions, defaultLimits, limitOptions, type CompiledOptions } from './options.ts';
export { parseParam, parseParamValues, type Param } from './params.ts';
export { compileTemplate, type FillTemplate } from './placeholders.ts';
export { specError, whereOnCommandLine, within, type PathStep, type Where } from './problem.ts';
export type { OptionName, RawBatch, RawPairs, RawWord } from './raw-batch.ts';
export { parseAfter, parseBackoff, parseMaxFails, parseRetryOn, retryOnAny } from './retry.ts';
export { loadSources, type SourceContent } from './sources.ts';
export { quoteWord, splitWords, type LinePlace } from './words.ts';
export {
  launcherChoices,
  orders,
  type AfterRule,
  type Axis,
  type BatchSpec,
  type IndexRange,
  type Item,
  type JobLimits,
  type JobSource,
  type LauncherChoice,
  type LauncherName,
  type Order,
  type RetryRule,
} from './spec.ts';
