export { capsuleBinary } from './capsule-binary.ts';
export * from './child/index.ts';
export { checkpoint, copyFolder, restoreFolder, syncFolder, type Checkpoint } from './checkpoint.ts';
export { runArgv, type CapsuleShape, type RunLine } from './commands.ts';
export { checkCpuFeatures, dumpCpuFeatures } from './cpu-features.ts';
export { criuFacts } from './facts.ts';
export { criuLauncher, folderFiles } from './launcher.ts';
export { freeze, type CapsuleJob, type FreezeOptions, type Frozen } from './freeze.ts';
export { verifyImage } from './digests.ts';
export { inspect, type Inspection } from './inspect.ts';
export { checkDigest, imageDigest, imageParts, readManifest, type ImageManifest } from './manifest.ts';
export { readMembers, type Members } from './members.ts';
export { completePages, pageServerBytes, receivePages, type ReceivePagesOptions } from './pages.ts';
export { probeCriu, recallCriu, type CriuProbe } from './probe.ts';
export { describeFile, differences, type NeededFile } from './program-files.ts';
export { goesOn, isReleased, outlives } from './released.ts';
export { capsuleShape } from './shape.ts';
export { RunningDigests, runningDigestsBytes } from './running-digests.ts';
export { openSending, receiveInto, send, type ReceiveOptions, type Sending, type SendOptions } from './ship.ts';
export { type Destination, type Receiving } from './stream.ts';
export { readStatus, wholeUsage, type CapsuleStatus } from './status.ts';
export { usableCriu } from './usable.ts';
export {
  prepareCapsule,
  type PreparedCapsule,
  type PrepareOptions,
  type Thawed,
  type ThawStart,
  type ThawStarted,
} from './prepare.ts';
export { checkImage, thaw } from './thaw.ts';
