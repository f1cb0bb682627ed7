import type { Bytes, OnLost } from '@omx/core';
import { endReasons } from './messages.ts';
import type { EndReason, StartRequest } from './messages.ts';
import { Request } from './wire.ts';
import type { FrameWriter } from './wire.ts';

/** The order of `lease_policy` in native/lease.h. */
const leasePolicies: readonly OnLost[] = ['finish', 'pause', 'stop'];

export function writeEnvironment(to: FrameWriter, digest: string, entries: readonly Bytes[]): void {
  to.begin(Request.environment);
  to.text(digest);
  to.texts(entries);
  to.end();
}

export function writeStart(to: FrameWriter, request: StartRequest): void {
  to.begin(Request.start);
  to.text(request.key);
  to.text(request.stdout);
  to.text(request.stderr);
  to.text(request.after ?? '');
  to.text(request.environment);
  to.text(request.cwd);
  to.text(request.stdin);
  to.u32(request.umask);
  to.f64(request.timeMs);
  to.f64(request.graceMs);
  to.f64(request.maxOutputBytes);
  to.u32(request.killSignal ?? 0);
  to.texts(request.argv);
  to.texts(request.extraEnv);
  to.end();
}

export function writeEnd(to: FrameWriter, key: string, reason: EndReason, graceMs: number): void {
  to.begin(Request.end);
  to.text(key);
  to.u8(endReasons.indexOf(reason));
  to.f64(graceMs);
  to.end();
}

export function writeLease(to: FrameWriter, until: number, policy: OnLost): void {
  to.begin(Request.lease);
  to.f64(until);
  to.u8(leasePolicies.indexOf(policy));
  to.end();
}

export function writeName(
  to: FrameWriter,
  type: typeof Request.forget | typeof Request.pause | typeof Request.resume | typeof Request.recall,
  name: string,
): void {
  to.begin(type);
  to.text(name);
  to.end();
}

export function writeAcknowledge(to: FrameWriter, keys: readonly string[], removeOutput: boolean): void {
  to.begin(Request.acknowledge);
  to.u8(removeOutput ? 1 : 0);
  to.texts(keys);
  to.end();
}

export function writeQuit(to: FrameWriter, force: boolean): void {
  to.begin(Request.quit);
  to.u8(force ? 1 : 0);
  to.end();
}
