import { isRefusal, type MoveAnswers, type NodeAsker } from '@omx/queue';

import { cannotMove } from './refusals.ts';

/** What a node answers where it does what was asked. */
type Consent<Type extends keyof MoveAnswers> = Exclude<MoveAnswers[Type]['answer'], { refused: string }>;

/** Asks the other side of a hand-over. @throws OmxError with its reason where it refuses, or why there is no answer */
export async function askMover<Type extends keyof MoveAnswers>(
  asker: Pick<NodeAsker, 'askJson'>,
  to: string,
  request: MoveAnswers[Type]['request'] & { readonly type: Type },
  withinMs: number,
): Promise<Consent<Type>> {
  const answer = await asker.askJson<Type>(to, request, withinMs);
  if (isRefusal(answer)) throw cannotMove(`to node ${to}`, answer);
  return answer as Consent<Type>;
}
