export { shepherdBinary } from './binary.ts';
export { Shepherd } from './client.ts';
export type { CloseListener, EventListener } from './client.ts';
export type { ShepherdOptions } from './connect.ts';
export { endShepherd } from './end-shepherd.ts';
export { endReasons } from './messages.ts';
export type {
  EndedEvent,
  EndReason,
  RefusedEvent,
  RunningEntry,
  ShepherdEvent,
  StartedEvent,
  StartRequest,
} from './messages.ts';
