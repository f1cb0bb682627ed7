import type { ShepherdEvent } from '@omx/launch';
import { queueClock } from '@omx/queue';

/**
 * What the shepherd says with its times by the queue's clock. An attempt that is known to have started keeps that start,
 * so its duration is right even if a clock was set meanwhile: the shepherd measures it by one that only goes forward.
 */
export function onQueueTime(event: ShepherdEvent, startedAt: number | undefined): ShepherdEvent {
  if (event.type === 'refused') return event;
  const start = startedAt ?? queueClock.fromLocal(event.startedAt);
  if (event.type === 'started') return { ...event, startedAt: start };
  return { ...event, startedAt: start, endedAt: start + (event.endedAt - event.startedAt) };
}
