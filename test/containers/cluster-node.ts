import { getContainerRuntimeClient, type StartedNetwork, type StartedTestContainer } from 'testcontainers';

/** A container with a worker. */
export interface ClusterNode {
  /** Its host name, and so the node's. */
  readonly name: string;
  /** Takes it off the network. */
  readonly cut: () => Promise<void>;
  /** Puts it back there. */
  readonly join: () => Promise<void>;
  /** Everything in it stands still. */
  readonly pause: () => Promise<void>;
  readonly unpause: () => Promise<void>;
  /** SIGKILL to all that is in it. */
  readonly kill: () => Promise<void>;
  /** Starts it again after `kill`, with its state. */
  readonly start: () => Promise<void>;
  /** Runs a program in it, as the user of the image. */
  readonly exec: (...argv: readonly string[]) => Promise<{ readonly code: number; readonly output: string }>;
  /** The states (proc(5)) of its processes whose command line contains a word. Works while it is paused, too. */
  readonly processes: (word: string) => Promise<string[]>;
}

/** What testcontainers has no word for is asked of the engine itself. */
export async function clusterNode(
  name: string,
  started: StartedTestContainer,
  network: StartedNetwork,
): Promise<ClusterNode> {
  const client = await getContainerRuntimeClient();
  const container = client.container.getById(started.getId());
  const link = client.network.getById(network.getId());
  return {
    name,
    cut: async () => {
      await link.disconnect({ Container: container.id, Force: true });
    },
    join: async () => {
      await link.connect({ Container: container.id });
    },
    pause: async () => {
      await container.pause();
    },
    unpause: async () => {
      await container.unpause();
    },
    kill: async () => {
      await container.kill({ signal: 'SIGKILL' });
      await container.wait();
    },
    start: async () => {
      await container.start();
    },
    exec: async (...argv) => {
      const { exitCode, output } = await started.exec([...argv]);
      return { code: exitCode, output };
    },
    processes: async (word) => {
      // Made of what ps(1) says outside, so its columns are our choice.
      const { Processes } = (await container.top({ ps_args: '-eo pid,state,args' })) as { Processes: string[][] };
      return Processes.filter(([, , args]) => args?.includes(word)).map(([, state = '']) => state);
    },
  };
}
